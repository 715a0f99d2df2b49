import type { Wish } from './contact.ts'
import type { Customer } from './customer.ts'
import { DAY, HOUR, MINUTE } from './local-time.ts'
import { inDaytime } from './opening-hours.ts'
import type { Process } from './timeline.ts'

/** How long people wait for a quote before they take another company's. */
const QUOTE_PATIENCE_MS = 34 * HOUR

/** The price of a repair, as all interactions about it carry it. */
interface Price {
  readonly value: number
  readonly currency: 'EUR'
}

/** From what the customer wants to what becomes of it; ends when the repair is done. True: bought. */
export function* deal(customer: Customer, wish: Wish): Process<boolean> {
  const { happens, logNormal } = customer.chance
  const price = { value: Math.round(logNormal(wish === 'quote' ? 240 : 120, 0.5)), currency: 'EUR' } as const
  if (wish === 'quote' && !(yield* quote(customer, price))) return false
  const order = customer.name('order')
  const paid = happens(wish === 'quote' ? 0.65 : 0.5)
    ? yield* payOnline(customer, order, price)
    : yield* buyOnAccount(customer, order, price)
  if (!paid) return false
  yield* repair(customer, order)
  return true
}

/** The quote comes when the desk has written it, and finds a customer who still waits, or not. */
function* quote(customer: Customer, price: Price): Process<boolean> {
  const { between, happens, logNormal, exponential, pick } = customer.chance
  const { time } = customer.company
  const askedAt = customer.now
  const writtenAt = customer.branch.quotes.takeOn(askedAt, between(50, 150) / 100)
  yield Math.max(writtenAt, askedAt + between(20, 90) * MINUTE)
  const waitMs = customer.now - askedAt
  customer.meet('quote', { by: 'company', waitMs, ...price })
  if (waitMs > logNormal(QUOTE_PATIENCE_MS, 0.4)) {
    // They have another company by now, and tell nobody; now and then a seller asks and writes it down.
    if (happens(0.06)) {
      yield inDaytime(customer.now + between(6, 12) * DAY, time, customer.chance)
      customer.meet('deal_lost', { by: 'company', outcome: 'refused' })
    }
    return false
  }
  yield inDaytime(customer.now + exponential(14 * HOUR), time, customer.chance)
  const decision = pick([
    ['accepted', 88],
    ['undecided', 8],
    ['declined', 4],
  ])
  if (decision === 'declined') customer.meet('quote', { by: 'customer', outcome: 'refused' })
  if (decision !== 'undecided') return decision === 'accepted'
  yield inDaytime(customer.now + 3 * DAY, time, customer.chance)
  customer.meet('sms_reminder', { by: 'company', channel: 'sms' })
  yield inDaytime(customer.now + between(1, 24) * HOUR, time, customer.chance)
  return happens(0.5)
}

/** By the link in the mail: on whatever device, so the company learns whose it is. */
function* payOnline(customer: Customer, order: string, price: Price): Process<boolean> {
  const { happens, between } = customer.chance
  const device = customer.device(happens(0.8) ? customer.lastDevice : 'desktop')
  const details = { episode: customer.name('checkout'), order }
  yield customer.now + between(2, 120) * MINUTE
  customer.identify(device, 'checkout', details)
  if (happens(0.06)) return false
  for (let attempt = 1; attempt <= 3; attempt++) {
    yield customer.now + between(40, 300) * 1_000
    if (!happens(0.04)) {
      customer.meetOnline(device, 'payment', { outcome: 'bought', ...details, ...price })
      return true
    }
    customer.meetOnline(device, 'payment', { outcome: 'refused', ...details, props: { declined: true } })
    if (happens(0.3)) return false
  }
  return false
}

/** An order by word of mouth; the money comes later. */
function* buyOnAccount(customer: Customer, order: string, price: Price): Process<boolean> {
  const { between, happens } = customer.chance
  const { time, timeline } = customer.company
  yield customer.now + between(1, 60) * MINUTE
  customer.meet('purchase', { outcome: 'bought', order, ...price, channel: 'phone' })
  if (happens(0.8)) {
    const paysAt = inDaytime(customer.now + between(6, 25) * DAY, time, customer.chance)
    timeline.plan(paysAt, () => customer.meet('paid', { outcome: 'bought', order, ...price }))
  }
  return true
}

/** A technician comes; some customers write about it, some want their money back. */
function* repair(customer: Customer, order: string): Process {
  const { between, happens, exponential, pick } = customer.chance
  const { time } = customer.company
  const orderedAt = customer.now
  yield inDaytime(orderedAt + 6 * HOUR + exponential(2 * DAY), time, customer.chance)
  const durationMs = between(20, 150) * MINUTE
  yield customer.now + durationMs
  customer.meet('delivery', { by: 'company', order, durationMs, agent: `mechanic-${between(1, 6)}` })
  const late = customer.now - orderedAt > 4 * DAY
  if (happens(0.35)) {
    yield customer.now + between(2, 90) * HOUR
    const reaction = pick([
      ['negative', late ? 40 : 8],
      ['neutral', 12],
      ['positive', 80],
    ] as const)
    customer.meet('review', { ...(reaction === 'neutral' ? {} : { reaction }), order })
  }
  if (!happens(0.025)) return
  yield inDaytime(customer.now + between(1, 14) * DAY, time, customer.chance)
  customer.meet('return', { outcome: 'refused', order })
}
