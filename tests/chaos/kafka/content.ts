import type { Catalogue, Chain } from '../../../packages/chains/src/index.ts'
import { oracle } from '../../../packages/chains/src/oracle.ts'
import { type Interaction, type Person, personOf, RECORD_HEADER } from '../../../packages/interactions/src/index.ts'
import { chance } from '../../../services/simulator/src/index.ts'

/** What a run sends: a company's customers, known beforehand, so that everybody can say what must be stored in the end. */
export interface Content {
  /** In the order in which they are sent: roughly by their instants, some of them late, some of them more than once. */
  readonly sent: readonly Interaction[]
  /** Each customer with everything that is theirs in the end, also what they did while they were only a cookie. */
  readonly customers: ReadonlyMap<string, readonly Interaction[]>
  /** Cookies that turned out to be customers. */
  readonly devices: ReadonlyMap<string, string>
}

const MINUTE = 60_000
const DAY = 1_440 * MINUTE
const DAYS = 120
const TOUCHPOINTS = [
  ...['ad_view', 'site_visit', 'product_view', 'site_visit', 'call_queue', 'call_wait', 'call_answer', 'chat'],
  ...['office_visit', 'checkout', 'newsletter', 'review', 'return', 'something_new'],
]
/** How far somebody may come late, in interactions of everybody. */
const LATE = 3_000

/** @param now epoch milliseconds: nothing happened later */
export function contentOf(seed: number, interactions: number, now: number): Content {
  const { between, happens, pick } = draws(seed)
  const customers = new Map<string, Interaction[]>()
  const devices = new Map<string, string>()
  const order: { readonly at: number; readonly interaction: Interaction }[] = []
  for (let c = 0; order.length < interactions; c++) {
    const customer = `customer ${seed % 1000}/${c}`
    const device = happens(0.3) ? `cookie-${seed % 1000}-${c}` : null
    const count = between(1, 20)
    /** The one that tells who the cookie is. */
    const login = between(0, count - 1)
    const theirs: Interaction[] = []
    let at = now - between(0, DAYS * DAY) - 10 * MINUTE
    for (let k = 0; k < count; k++) {
      at += happens(0.7) ? between(0, 90 * MINUTE) : between(0, 25 * DAY)
      if (at > now) break
      const what = { id: `${c}-${k}`, at, ...somethingAt(pick, happens, between) }
      const isLogin = device !== null && k === login
      const isCookie = device !== null && !isLogin && happens(0.5)
      const who = isCookie ? { anonymousId: device } : { customer, ...(isLogin && { anonymousId: device }) }
      order.push({ at, interaction: { ...what, ...who } })
      theirs.push({ ...what, customer, ...(isLogin || isCookie ? { anonymousId: device } : {}) })
    }
    const known = device !== null && theirs.length > login
    if (known) devices.set(device, customer)
    // A cookie whose login never came is somebody of its own.
    const own = known || device === null ? theirs : theirs.filter(({ anonymousId }) => anonymousId === undefined)
    if (own.length > 0) customers.set(customer, own)
    const cookie = known ? [] : theirs.filter(({ anonymousId }) => anonymousId !== undefined)
    if (cookie.length > 0) {
      customers.set(
        `\u0000${device}`,
        cookie.map(({ customer: _, ...rest }) => rest),
      )
    }
  }
  order.sort((a, b) => a.at - b.at)
  const places = order.map(({ interaction }, place) => ({
    interaction,
    place: place + (happens(0.1) ? between(0, LATE) : 0),
  }))
  const repeats = places
    .filter(() => happens(0.03))
    .map(({ interaction, place }) => ({
      interaction,
      place: place + between(0, LATE),
    }))
  const sent = [...places, ...repeats].sort((a, b) => a.place - b.place).map(({ interaction }) => interaction)
  return { sent, customers, devices }
}

/** The person whose name a customer of the content has. */
const personCalled = (name: string): Person =>
  name.startsWith('\u0000') ? { kind: 'anonymous', customer: name.slice(1) } : { kind: 'customer', customer: name }

/** What must be stored of everybody, by the naive oracle. */
export function expectedChains(
  { customers }: Content,
  catalogue: Catalogue,
  tickOf: (name: string) => number | null,
): { readonly person: Person; readonly chains: readonly Chain[] }[] {
  return Array.from(customers, ([name, interactions]) => {
    const person = personCalled(name)
    return { person, chains: oracle(person, interactions, catalogue, tickOf(person.customer)) }
  })
}

type Draws = ReturnType<typeof draws>

function draws(seed: number) {
  const { between, happens } = chance(seed)
  return { between, happens, pick: <T>(items: readonly T[]): T => items[between(0, items.length - 1)]! }
}

function somethingAt(pick: Draws['pick'], happens: Draws['happens'], between: Draws['between']) {
  const channel = happens(0.5) ? { channel: pick(['search', 'social', 'mail']) } : {}
  if (happens(0.06)) return { touchpoint: 'purchase', value: between(10, 500), currency: 'EUR', ...channel }
  if (happens(0.03)) return { touchpoint: 'deal_lost', outcome: 'refused' as const, ...channel }
  const touchpoint = pick(TOUCHPOINTS)
  if (touchpoint === 'call_wait') {
    return { touchpoint, waitMs: between(1, 600) * 1000, ...(happens(0.3) && { outcome: 'abandoned' as const }) }
  }
  return { touchpoint, ...(happens(0.05) && { reaction: 'negative' as const }), ...channel }
}

export interface Poison {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, string>>
}

/** Records that no tracker can take in, one of each kind in turn. */
export function poison(n: number): Poison {
  const key = Buffer.from(`poison ${n}`)
  const interaction = (more: object) =>
    Buffer.from(
      JSON.stringify({ id: `poison-${n}`, customer: `poison ${n}`, touchpoint: 'x', at: 1_700_000_000_000, ...more }),
    )
  const kinds: Poison[] = [
    { key, value: Buffer.from('{"id": not json'), headers: {} },
    { key, value: Buffer.alloc(0), headers: {} },
    { key, value: Buffer.alloc(200_000, '{'), headers: {} },
    { key, value: interaction({ props: { long: 'x'.repeat(200_000) } }), headers: {} },
    { key, value: interaction({ at: 'yesterday' }), headers: {} },
    { key, value: interaction({ waitMs: 'long' }), headers: {} },
    { key: null, value: interaction({}), headers: {} },
    { key: Buffer.from('somebody else'), value: interaction({}), headers: {} },
    { key, value: interaction({}), headers: { 'weaklink-unheard-of': 'x' } },
    { key: null, value: Buffer.from('{"tick": 9000000000000}'), headers: { [RECORD_HEADER]: 'tick' } },
    { key: null, value: Buffer.from('{"hash": 7}'), headers: { [RECORD_HEADER]: 'catalogue' } },
    { key: null, value: Buffer.from(`{"hash": "${'0'.repeat(32)}"}`), headers: { [RECORD_HEADER]: 'catalogue' } },
    { key, value: Buffer.from('{}'), headers: { [RECORD_HEADER]: 'nonsense' } },
    { key, value: Buffer.from([0xff, 0xfe, 0x00, 0x80]), headers: { ce_type: 'something.else' } },
  ]
  return kinds[n % kinds.length]!
}

/** The key of an interaction's record. */
export const keyOf = (interaction: Interaction): string => personOf(interaction).customer
