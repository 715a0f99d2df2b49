import { TRANSFERS } from './company.ts'
import type { Customer, Device } from './customer.ts'
import { DAY, HOUR, MINUTE, SECOND } from './local-time.ts'
import { inDaytime, whenToCall } from './opening-hours.ts'
import { CONVERSATION_MS } from './staff.ts'
import type { Process } from './timeline.ts'

/** What a customer wants who has talked with the company: a quote first, or the repair. */
export type Wish = 'quote' | 'repair'

/** Of callers, on hold. */
const PATIENCE_MS = 100 * SECOND
/** After so long on hold the mood is bad, whatever is said then. */
const LONG_HOLD_MS = 90 * SECOND
const EMPLOYEES = 4

/** Calls the company, more than once where nobody answers; `button`: the device whose page announces the first call. */
export function* call(customer: Customer, button: Device | null): Process<Wish | null> {
  const { logNormal, pick, between } = customer.chance
  const { service } = customer.branch
  for (let attempt = 1; ; attempt++) {
    const details = { episode: customer.name('call'), channel: 'phone', queue: service.name }
    if (attempt === 1 && button !== null) customer.announceCall(button, 'call_queue', details)
    else customer.meet('call_queue', details)
    const since = customer.now
    const agent = yield* service.wait(logNormal(PATIENCE_MS, 0.6))
    const waitMs = customer.now - since
    if (agent !== null) {
      customer.meet('call_wait', { ...details, waitMs })
      return yield* conversation(customer, details, agent, waitMs)
    }
    customer.meet('call_wait', { ...details, outcome: 'abandoned', waitMs })
    const then = attempt === 3 ? 'lost' : pick(AFTER_HANGING_UP)
    if (then === 'lost') return null
    if (then === 'called back') {
      yield inDaytime(customer.now + between(60, 300) * MINUTE, customer.company.time, customer.chance)
      return yield* callBack(customer)
    }
    yield whenToCall(customer.now + between(15, 240) * MINUTE, customer.company.time, customer.chance)
  }
}

const AFTER_HANGING_UP = [
  ['call again', 14],
  ['called back', 9],
  ['lost', 77],
] as const

function* conversation(
  customer: Customer,
  details: { episode: string; channel: string; queue: string },
  agent: string,
  waitMs: number,
): Process<Wish | null> {
  const { service, technicians } = customer.branch
  const { happens, logNormal } = customer.chance
  const transferred = happens(TRANSFERS)
  const durationMs = transferred ? logNormal(2 * MINUTE, 0.4) : conversationMs(customer)
  yield customer.now + durationMs
  const answer = (by: string, ms: number) => ({ ...details, durationMs: Math.round(ms), agent: by })
  if (!transferred) {
    const end = ending(customer, waitMs)
    customer.meet('call_answer', { ...end.details, ...answer(agent, durationMs) })
    service.hangUp(agent)
    return end.wish
  }
  customer.meet('call_answer', answer(agent, durationMs))
  service.hangUp(agent)
  const since = customer.now
  const technician = yield* technicians.wait(2 * logNormal(PATIENCE_MS, 0.6))
  const onHold = { ...details, queue: technicians.name, waitMs: customer.now - since }
  if (technician === null) {
    customer.meet('call_transfer', { outcome: 'abandoned', ...onHold })
    return null
  }
  customer.meet('call_transfer', onHold)
  const expertMs = conversationMs(customer)
  yield customer.now + expertMs
  const end = ending(customer, waitMs + onHold.waitMs)
  customer.meet('call_answer', { ...end.details, ...answer(technician, expertMs), queue: technicians.name })
  technicians.hangUp(technician)
  return end.wish
}

/** How a conversation ends. A bad mood shows as such, and often nothing comes after it. */
function ending(
  { chance: { happens, pick } }: Customer,
  waitMs: number,
): { readonly details: object; readonly wish: Wish | null } {
  if (happens(0.04)) return { details: { outcome: 'refused' }, wish: null }
  const reaction = pick([
    ['negative', waitMs > LONG_HOLD_MS ? 12 : 2],
    ['positive', 10],
    ['neutral', 88],
  ] as const)
  const lost = happens(reaction === 'negative' ? 0.5 : 0.03)
  return { details: reaction === 'neutral' ? {} : { reaction }, wish: lost ? null : wishOf(happens) }
}

function wishOf(happens: (probability: number) => boolean): Wish {
  return happens(0.7) ? 'quote' : 'repair'
}

/** The company calls: until the customer takes it, or it gives up. */
export function* callBack(customer: Customer): Process<Wish | null> {
  const { happens, between } = customer.chance
  for (let attempt = 1; attempt <= 3; attempt++) {
    if (happens(0.75)) {
      const durationMs = Math.round(conversationMs(customer))
      const agent = employee(customer)
      yield customer.now + durationMs
      customer.meet('call_back', { episode: customer.name('call'), durationMs, channel: 'phone', agent })
      return happens(0.08) ? null : wishOf(happens)
    }
    yield inDaytime(customer.now + between(2, 20) * HOUR, customer.company.time, customer.chance)
  }
  return null
}

/** Writes with the company on the site. Who leaves no number there has to call. */
export function* chat(customer: Customer, device: Device): Process<Wish | 'call' | null> {
  const { happens, between, logNormal } = customer.chance
  const waitMs = Math.round(logNormal(15 * SECOND, 0.6))
  const durationMs = between(90, 600) * SECOND
  const details = { episode: customer.name('chat'), waitMs, durationMs, agent: employee(customer) }
  yield customer.now + waitMs + durationMs
  if (happens(0.7)) {
    customer.identify(device, 'chat', details)
    return happens(0.04) ? null : wishOf(happens)
  }
  customer.meetOnline(device, 'chat', details)
  yield customer.now + between(1, 20) * MINUTE
  return happens(0.1) ? null : 'call'
}

/** Comes to the office, with or without an appointment. */
export function* officeVisit(customer: Customer): Process<Wish | null> {
  const { happens, between } = customer.chance
  if (happens(0.5)) {
    customer.meet('sms_reminder', { by: 'company', channel: 'sms' })
    yield inDaytime(customer.now + DAY, customer.company.time, customer.chance)
  }
  const durationMs = between(8, 45) * MINUTE
  yield customer.now + durationMs
  customer.meet('office_visit', { durationMs, agent: employee(customer) })
  return happens(0.07) ? null : wishOf(happens)
}

/** Somebody in the office: of the many of a large company we name a few. */
function employee(customer: Customer): string {
  return `office-${customer.chance.between(1, EMPLOYEES)}`
}

/** Log-normal, as the lengths of calls are (Brown et al., 2005). */
function conversationMs(customer: Customer): number {
  const spread = 0.6
  return customer.chance.logNormal(CONVERSATION_MS * Math.exp(-(spread ** 2) / 2), spread)
}
