import { type BreakEvent, type Catalogue, type Chain, nextDeadline } from '@weaklink/chains'
import type { LogRecord } from '@weaklink/event-log'
import {
  decodeFact,
  IMPORT_HEADER,
  type Interaction,
  LINK_HEADER,
  type Person,
  personKey,
  personOf,
  sameContent,
} from '@weaklink/interactions'
import { oracle } from '../../../packages/chains/src/oracle.ts'
import { type IdentityRow, type ImportCounts, type InteractionRow, type Position, versionOf } from '../src/store.ts'
import type { Schedule } from './schedule.ts'
import type { Log, Outcome } from './simulator.ts'

/** The naive reading of logs, one record after the other: what the simulator's trackers must come to. */

/** What an event says, in whatever order its fields stand. */
export const textOf = (event: BreakEvent) => JSON.stringify(Object.entries(event).sort(([a], [b]) => (a < b ? -1 : 1)))

/** Somebody as the naive reading knows them. */
interface Known {
  readonly person: Person
  /** In the order in which they came: by id, all ways that it came. */
  readonly ways: Map<string, { readonly interaction: Interaction; readonly link: string }[]>
  readonly links: Set<string>
  readonly withdrawn: Set<string>
  current: { readonly link: string; readonly customer: string } | null
  /** Of the record that changed them last, and in force at it. */
  version: number
  catalogue: Catalogue
}

/** Of each id the first way that it came and that was not taken back. */
function counting({ ways, withdrawn }: Known): { readonly interaction: Interaction; readonly link: string }[] {
  return [...ways.values()].flatMap((each) => each.find(({ link }) => !withdrawn.has(link)) ?? [])
}

/** What the naive reading makes of all logs, one record after the other. */
export function expected({ catalogues, customerLimit }: Schedule, logs: readonly Log[]): Outcome {
  const known = new Map<string, Known>()
  const interactions = new Map<string, Omit<InteractionRow, 'partition'>>()
  const identities = new Map<string, Omit<IdentityRow, 'partition' | 'person'>>()
  const rejected = new Map<string, string>()
  const told = new Map<string, string[]>()
  let catalogue = catalogues[0]!
  let tick: number | null = null
  let position: Position | null = null
  const knownAs = (person: Person): Known =>
    known.get(personKey(person)) ?? {
      ...{ person, ways: new Map(), links: new Set(), withdrawn: new Set(), current: null, version: 0, catalogue },
    }
  const chainsOf = (one: Known) =>
    one.current === null
      ? oracle(
          one.person,
          counting(one).map(({ interaction }) => interaction),
          one.catalogue,
          tick,
        )
      : []
  /** Everybody's chains after the record before. */
  let chainsBefore: ReadonlyMap<string, readonly Chain[]> = new Map()
  const tellChanges = (version: number, record: LogRecord) => {
    const now = new Map([...known].map(([key, one]) => [key, chainsOf(one)]))
    for (const [key, one] of known) {
      const common = { version, recordedAt: record.timestamp, tick, catalogue: catalogue.hash }
      for (const event of naiveBreaks(one, chainsBefore.get(key) ?? [], now.get(key) ?? [], common)) {
        told.set(event.event, [textOf(event)])
      }
    }
    chainsBefore = now
  }
  for (const [k, { identity, records: all, taken }] of logs.entries()) {
    const records = all.slice(0, taken)
    const counts = { accepted: 0, duplicates: 0, conflicts: 0, rejected: 0 }
    const imports = new Map<string, Mutable<ImportCounts>>()
    const importOf = (id: string) => {
      const one = imports.get(id) ?? { id, accepted: 0, duplicates: 0, conflicts: 0, rejected: 0, ended: false }
      imports.set(id, one)
      return one
    }
    let newestAt: number | null = null
    const deriveAgain = (one: Known, version: number) => {
      if (one.catalogue.hash !== catalogue.hash) {
        const derived = {
          change: 'derived',
          linkId: '',
          link: '',
          other: '',
          version,
          catalogue: catalogue.hash,
        } as const
        identities.set(`${personKey(one.person)}\0${version}`, derived)
      }
      Object.assign(one, { version, catalogue })
    }
    const takeIn = (record: LogRecord, version: number): void => {
      const count = (what: keyof typeof counts) => {
        const importId = record.headers[IMPORT_HEADER]
        for (const one of importId === undefined ? [counts] : [counts, importOf(importId)]) one[what]++
      }
      const reject = (reason: string) => {
        rejected.set(`${identity}, ${record.offset}`, `${reason}: ${new TextDecoder().decode(record.value)}`)
        count('rejected')
      }
      const decoded = decodeFact(record, record.timestamp)
      if (!decoded.ok) {
        reject(decoded.rejection.reason)
        return
      }
      const { fact } = decoded
      const now = { version, catalogue: catalogue.hash }
      if (fact.kind === 'tick') {
        for (const one of known.values()) {
          const deadline = nextDeadline(chainsOf(one))
          if (deadline !== null && fact.tick > deadline) deriveAgain(one, version)
        }
        tick = Math.max(tick ?? fact.tick, fact.tick)
      } else if (fact.kind === 'import-end') importOf(fact.importId).ended = true
      else if (fact.kind === 'catalogue') {
        const stored = catalogues.find(({ hash }) => hash === fact.hash)
        if (stored === undefined) reject('unknown_catalogue')
        else catalogue = stored
      } else if (fact.kind === 'touch') {
        const one = known.get(personKey(fact.person))
        if (one !== undefined) deriveAgain(one, version)
      } else if (fact.kind === 'link' || fact.kind === 'unlink') {
        const anonymousId = fact.kind === 'link' ? fact.link.anonymousId : fact.anonymousId
        const one = knownAs({ kind: 'anonymous', customer: anonymousId })
        if (fact.kind === 'unlink' ? one.current === null : one.links.has(fact.link.id)) return
        known.set(personKey(one.person), Object.assign(one, { version, catalogue }))
        const key = `${personKey(one.person)}\0${version}`
        if (fact.kind === 'unlink') {
          identities.set(key, { change: 'unlinked', linkId: '', link: '', other: '', ...now })
          one.current = null
          return
        }
        const { id, customer } = fact.link
        one.links.add(id)
        const change = one.current === null || one.current.customer === customer ? 'linked' : 'refused'
        const link = change === 'linked' ? `0-${version}` : ''
        identities.set(key, { change, linkId: id, link, other: customer, ...now })
        if (change === 'refused') reject('identity_conflict')
        else one.current ??= { link, customer }
      } else if (fact.kind === 'withdraw') {
        const one = knownAs({ kind: 'customer', customer: fact.customer })
        if (one.withdrawn.has(fact.link)) return
        known.set(personKey(one.person), Object.assign(one, { version, catalogue }))
        one.withdrawn.add(fact.link)
        identities.set(`${personKey(one.person)}\0${version}`, {
          ...{ change: 'withdrawn', linkId: '', link: fact.link, other: '', ...now },
        })
      } else {
        const { interaction } = fact
        const link = record.headers[LINK_HEADER] ?? ''
        const one = knownAs(personOf(interaction))
        if (one.withdrawn.has(link)) return
        const first = counting(one).find((way) => way.interaction.id === interaction.id)
        const rowKey = `${personKey(one.person)}\0${interaction.id}\0${link}`
        const ways = one.ways.get(interaction.id) ?? []
        if (first !== undefined) {
          if (first.link !== '' && first.link !== link && !interactions.has(rowKey)) {
            ways.push({ interaction, link })
            interactions.set(rowKey, { version, interaction, link, behind: first.link, catalogue: '' })
          }
          if (link !== '') return
          count('duplicates')
          if (!sameContent(first.interaction, interaction)) count('conflicts')
        } else if (counting(one).length >= customerLimit) reject('customer_limit')
        else {
          one.ways.set(interaction.id, [...ways, { interaction, link }])
          known.set(personKey(one.person), Object.assign(one, { version, catalogue }))
          if (!interactions.has(rowKey)) interactions.set(rowKey, { ...now, interaction, link, behind: '' })
          if (link !== '') return
          count('accepted')
          newestAt = Math.max(newestAt ?? interaction.at, interaction.at)
        }
      }
    }
    for (const record of records) {
      const version = versionOf(k + 1, record.offset)
      takeIn(record, version)
      tellChanges(version, record)
    }
    position = {
      partition: 0,
      epoch: k + 1,
      logIdentity: identity,
      offset: records.length,
      tick,
      catalogue: catalogue.hash,
      newestAt,
      ...counts,
      imports: [...imports.values()],
    }
  }
  const customers = new Map(
    [...known].map(([key, one]) => {
      const chains = chainsOf(one)
      const { version, catalogue, current } = one
      const row = { version, catalogue: catalogue.hash, chains, nextDeadline: nextDeadline(chains) }
      return [key, { ...row, movedTo: current?.customer ?? null }]
    }),
  )
  const deadlines = [...customers.values()].flatMap((row) => row.nextDeadline ?? [])
  const deadline = deadlines.length > 0 ? Math.min(...deadlines) : null
  return { customers, interactions, identities, rejected, told, position, deadline, misplaced: [] }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What became of the breaks of one person, by what is broken in the chains before and after. */
function naiveBreaks(
  { person, current }: Known,
  before: readonly Chain[],
  after: readonly Chain[],
  {
    version,
    recordedAt,
    tick,
    catalogue,
  }: { version: number; recordedAt: number; tick: number | null; catalogue: string },
): BreakEvent[] {
  const events: BreakEvent[] = []
  const text = (instant: number | null) => new Date(instant ?? Number.NaN).toISOString()
  const about = (chain: Chain) => ({
    event: `${chain.id}@${version}`,
    chain: chain.id,
    version,
    ...(person.kind === 'customer' ? { customer: person.customer } : { anonymousId: person.customer }),
    place: chain.place,
    reason: chain.reason!,
    startedAt: text(chain.startedAt),
    lastAt: text(chain.lastAt),
    brokeAt: text(chain.closedAt),
    recordedAt: text(recordedAt),
    tick: tick === null ? null : text(tick),
    catalogue,
  })
  const standing = (chain: Chain) => ({
    ...about(chain),
    furthest: chain.furthest,
    episode: chain.brokenEpisode,
    interactions: chain.interactions.length,
  })
  const inShort = (chain: Chain) => ({
    place: chain.place,
    reason: chain.reason!,
    episode: chain.brokenEpisode,
    lastAt: text(chain.lastAt),
    brokeAt: text(chain.closedAt),
  })
  for (const chain of after) {
    const was = before.find(({ id }) => id === chain.id)
    if (chain.state === 'broken' && was?.state !== 'broken') events.push({ type: 'broke', ...standing(chain) })
    else if (chain.state === 'broken' && JSON.stringify(inShort(was!)) !== JSON.stringify(inShort(chain))) {
      events.push({ type: 'changed', ...standing(chain), before: inShort(was!) })
    }
  }
  for (const chain of before) {
    if (chain.state !== 'broken') continue
    const is = after.find(({ id }) => id === chain.id)
    const [first] = chain.interactions
    const into = after.find(({ interactions }) =>
      interactions.some((one) => one.interaction.id === first!.interaction.id),
    )
    if (is === undefined) {
      const movedTo = current?.customer ?? null
      events.push({ type: 'retracted', ...about(chain), replacement: into?.id ?? null, movedTo })
    } else if (is.state !== 'broken') events.push({ type: 'healed', ...about(chain), state: is.state })
  }
  return events
}
