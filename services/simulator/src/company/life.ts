import { call, callBack, chat, officeVisit, type Wish } from './contact.ts'
import type { Customer, Source } from './customer.ts'
import { deal } from './deal.ts'
import { DAY, HOUR, MINUTE } from './local-time.ts'
import { inDaytime, whenToCall } from './opening-hours.ts'
import type { Process } from './timeline.ts'
import { visit } from './visit.ts'

/** Months in which a customer who bought is written to. */
const NEWSLETTERS = 4

/** A person, from the first time something breaks at home. */
export function* life(customer: Customer): Process {
  const { happens, exponential } = customer.chance
  let bought = yield* errand(customer, null)
  while (happens(bought ? 0.9 : 0.12)) {
    if (bought) {
      const source = yield* months(customer)
      if (source === 'gone') return
      bought = yield* errand(customer, source)
    } else {
      yield customer.now + 10 * DAY + exponential(25 * DAY)
      bought = yield* errand(customer, null)
    }
  }
}

/** The time after a purchase, with a newsletter a month, until something breaks again or the customer is forgotten. */
function* months(customer: Customer): Process<Source | null | 'gone'> {
  const { happens, between } = customer.chance
  for (let month = 1; month <= NEWSLETTERS; month++) {
    yield inDaytime(customer.now + between(27, 33) * DAY, customer.company.time, customer.chance)
    if (happens(0.08)) return null
    customer.meet('newsletter', { by: 'company', campaign: 'service_reminder', channel: 'email' })
    if (happens(0.07)) {
      yield customer.now + between(5, 600) * MINUTE
      return { channel: 'email', campaign: 'service_reminder' }
    }
  }
  return 'gone'
}

/** From the wish to have something repaired to the repair, or to where that wish is lost. True: bought. */
function* errand(customer: Customer, source: Source | null): Process<boolean> {
  const wish = yield* contact(customer, source)
  if (wish === null) return false
  return yield* deal(customer, wish)
}

/** How the customer comes to talk with the company; null: they do not. */
function* contact(customer: Customer, source: Source | null): Process<Wish | null> {
  const { happens, pick, between } = customer.chance
  const { time } = customer.company
  // The number is on the van.
  if (source === null && happens(0.12)) {
    yield whenToCall(customer.now, time, customer.chance)
    return yield* call(customer, null)
  }
  const device = yield* visit(customer, source)
  if (device === null) return null
  yield customer.now + between(20, 400) * 1_000
  switch (
    pick([
      ['call', 66],
      ['chat', 14],
      ['form', 12],
      ['office', 8],
    ])
  ) {
    case 'chat': {
      const wish = yield* chat(customer, device)
      if (wish !== 'call') return wish
      break
    }
    case 'form':
      customer.identify(device, 'site_visit', { props: { form: 'call_me_back' } })
      yield inDaytime(customer.now + between(20, 240) * MINUTE, time, customer.chance)
      return yield* callBack(customer)
    case 'office':
      if (happens(0.85)) customer.identify(device, 'site_visit', { props: { form: 'appointment' } })
      yield inDaytime(customer.now + between(2, 40) * HOUR, time, customer.chance)
      return yield* officeVisit(customer)
    case 'call':
  }
  const asked = customer.now
  yield whenToCall(asked, time, customer.chance)
  if (customer.now > asked) {
    // They look for the number again.
    customer.meetOnline(device, 'site_visit')
    yield customer.now + between(10, 90) * 1_000
  }
  // Who presses the button of the page tells which visitor it is that calls; some dial.
  const button = happens(device.kind === 'mobile' ? 0.97 : 0.9)
  return yield* call(customer, button ? device : null)
}
