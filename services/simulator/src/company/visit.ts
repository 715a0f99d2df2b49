import type { Customer, Device, DeviceKind, Source } from './customer.ts'
import { HOUR, MINUTE, SECOND } from './local-time.ts'
import { whenToCall } from './opening-hours.ts'
import type { Process } from './timeline.ts'
import { BROKEN_CAMPAIGN } from './weak-links.ts'

/** Of a page as it should be, and of one with too much on it for a phone. */
const LOAD_MS = 1_500
const BROKEN_LOAD_MS = 30_000
/** How long visitors look at an empty page. */
const PAGE_PATIENCE_MS = 9_000

/** The way to the site and through its pages; the device of somebody who wants to get in touch, null of who leaves. */
export function* visit(customer: Customer, given: Source | null): Process<Device | null> {
  const { happens, pick, between } = customer.chance
  const source = given ?? sourceOf(customer)
  const kind = pick<DeviceKind>(
    source.channel === 'social'
      ? [
          ['mobile', 85],
          ['desktop', 15],
        ]
      : [
          ['mobile', 50],
          ['desktop', 50],
        ],
  )
  const device = customer.device(kind)
  if (source.channel === 'search' || source.channel === 'social') {
    const cost = between(30, 180) / 100
    customer.meetOnline(device, 'ad_view', { cost, currency: 'EUR', ...source })
    if (happens(0.04)) return null
    yield customer.now + between(2, 60) * SECOND
  }
  if (!(yield* landing(customer, device, source))) {
    if (!happens(0.08)) return null
    // They look the company up again, where pages do load.
    yield customer.now + between(2, 30) * HOUR
    return yield* comeAgain(customer, customer.device('desktop'))
  }
  if (happens(0.04)) return null
  if (!happens(0.15)) return device
  // They think it over, and look again: on the same device, or on the larger screen at home.
  yield whenToCall(customer.now + between(2, 30) * HOUR, customer.company.time, customer.chance) +
    between(0, 90) * MINUTE
  return yield* comeAgain(customer, happens(0.5) ? device : customer.device('desktop'))
}

function sourceOf({ chance: { pick } }: Customer): Source {
  const channel = pick([
    ['search', 48],
    ['social', 36],
    ['referral', 16],
  ] as const)
  if (channel === 'search') {
    const campaign = pick([
      ['heating_repair', 1],
      ['washing_machines', 1],
    ])
    return { channel, campaign }
  }
  if (channel === 'referral') return { channel }
  const campaign = pick([
    [BROKEN_CAMPAIGN, 3],
    ['tips', 2],
  ])
  return { channel, campaign }
}

/** False: they left before there was anything to see, or at once. */
function* landing(customer: Customer, device: Device, source: Source): Process<boolean> {
  const { logNormal, happens } = customer.chance
  const episode = customer.name('visit')
  customer.meetOnline(device, 'landing_page', { episode, ...source })
  const { mobilePage } = customer.company.weakLinks
  const broken = mobilePage && source.campaign === BROKEN_CAMPAIGN && device.kind === 'mobile'
  const loadMs = logNormal(broken ? BROKEN_LOAD_MS : LOAD_MS, 0.4)
  if (loadMs > logNormal(PAGE_PATIENCE_MS, 0.5)) return false
  yield customer.now + loadMs
  if (happens(0.04)) return false
  yield* pages(customer, device, source, episode)
  return true
}

/** Back on the site by its name, or by what they remember of it. */
function* comeAgain(customer: Customer, device: Device): Process<Device> {
  const source = { channel: 'search' } as const
  const episode = customer.name('visit')
  customer.meetOnline(device, 'site_visit', { episode, ...source })
  yield* pages(customer, device, source, episode)
  return device
}

function* pages(customer: Customer, device: Device, source: Source, episode: string): Process {
  const { between } = customer.chance
  for (let left = between(1, 3); left > 0; left--) {
    yield customer.now + between(8, 120) * SECOND
    customer.meetOnline(device, 'product_view', { episode, ...source })
  }
}
