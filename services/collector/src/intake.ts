import { randomUUIDv7 } from 'node:crypto'
import type { EventLog, NewRecord } from '@weaklink/event-log'
import {
  encodeFact,
  INTERACTIONS_TOPIC,
  type Interaction,
  type ProducedInteraction,
  partitionOf,
  personKey,
  personOf,
  type RawRecord,
  type Rejection,
  show,
  validate,
  withId,
} from '@weaklink/interactions'
import { type Refusal, type RefusedInput, refusal, refusedInput } from './refusal.ts'
import type { Scanned } from './scan.ts'

export interface IntakeSettings {
  readonly partitions: number
  /** Bytes of its JSON. */
  readonly interactionBytes: number
  /** Whether what is refused is to be shown with its content. */
  readonly watched: boolean
}

/** What came in the request, where its format is not ours: its id, and how it calls our fields. */
export interface Came {
  readonly input: unknown
  readonly id: unknown
  readonly nameOf: (field: string) => string
}

/** Says that an anonymous person is a customer; not yet checked. */
export interface ProducedLink {
  readonly id: unknown
  readonly anonymousId: unknown
  readonly customer: unknown
}

/**
 * What one request brings, in the order in which it came: each part is taken in, is a repeat of one before it, or is
 * refused with its reason. Nothing is stored before `store`.
 */
export class Intake {
  accepted = 0
  duplicates = 0
  readonly refused: Refusal[] = []
  readonly refusedInputs: RefusedInput[] = []
  readonly receivedAt: number
  readonly #settings: IntakeSettings
  readonly #records: NewRecord[] = []
  /** By id the person that it came with; for further persons with this id, by both. */
  readonly #seen = new Map<string, string | Scanned>()

  constructor(receivedAt: number, settings: IntakeSettings) {
    this.receivedAt = receivedAt
    this.#settings = settings
  }

  /** @param input the interaction, as `validate` wants it */
  interaction(index: number, input: unknown, came?: Came): void {
    const produced = this.#checked(index, input, came)
    if (produced === null) return
    const { interactionBytes } = this.#settings
    const bytes = largestSizeOf(produced) <= interactionBytes ? 0 : Buffer.byteLength(JSON.stringify(produced))
    if (bytes > interactionBytes) {
      this.refuse(index, produced.id, this.#tooLong(bytes), came?.input ?? input)
    } else if (produced.id === undefined) {
      this.#take(withId(produced, randomUUIDv7()))
    } else if (this.#isNew(produced.id, personKey(personOf(produced)))) {
      this.#take(produced as Interaction)
    } else this.duplicates++
  }

  /** The short way of `interaction`. */
  scanned(index: number, one: Scanned): void {
    const { interactionBytes, partitions } = this.#settings
    const { id, key, value } = one
    if (value.length > interactionBytes) {
      this.refuse(index, id === '' ? null : id, this.#tooLong(value.length), JSON.parse(value.toString()))
    } else if (id === '' || this.#isNew(id, one)) {
      const partition = partitions === 1 ? 0 : partitionOf(key.toString(), partitions)
      this.#records.push({ partition, key, value: id === '' ? withMintedId(value) : value })
      this.accepted++
    } else this.duplicates++
  }

  link(index: number, { id, anonymousId, customer }: ProducedLink, came: Came): void {
    // The ids of a link are those of an interaction.
    const ids = { ...(id != null && { id }), customer, anonymousId }
    const checked = this.#checked(index, { ...ids, touchpoint: 'link', at: this.receivedAt }, came)
    if (checked?.customer === undefined || checked.anonymousId === undefined) return
    const link = { id: checked.id ?? randomUUIDv7(), customer: checked.customer, anonymousId: checked.anonymousId }
    // Not to be taken for an interaction of this id.
    if (this.#isNew(link.id, `link\u0000${link.anonymousId}`)) {
      this.#add(link.anonymousId, encodeFact({ kind: 'link', link }))
    } else this.duplicates++
  }

  /** Something that is right and says nothing to us. */
  nothing(): void {
    this.accepted++
  }

  refuse(index: number, id: unknown, rejection: Rejection, input: unknown): void {
    const refused = refusal(index, id, rejection)
    this.refused.push(refused)
    if (this.#settings.watched) this.refusedInputs.push(refusedInput(refused, input, this.receivedAt))
  }

  /** Resolves when everything accepted is durable. */
  async store(log: EventLog): Promise<void> {
    if (this.#records.length > 0) await log.append(INTERACTIONS_TOPIC, this.#records)
  }

  #take(interaction: Interaction): void {
    this.#add(personOf(interaction).customer, encodeFact({ kind: 'interaction', interaction }))
  }

  #add(key: string, record: RawRecord): void {
    const { partitions } = this.#settings
    this.#records.push({ partition: partitions === 1 ? 0 : partitionOf(key, partitions), ...record })
    this.accepted++
  }

  #tooLong(bytes: number): Rejection {
    const expected = `an interaction of at most ${this.#settings.interactionBytes} bytes`
    return { reason: 'too_long', field: '', expected, got: `${bytes} bytes` }
  }

  #checked(index: number, input: unknown, came: Came | undefined): ProducedInteraction | null {
    const checked = validate(input, this)
    if (checked.ok) return checked.interaction
    const { rejection } = checked
    if (came === undefined) this.refuse(index, idOf(input), rejection, input)
    else this.refuse(index, came.id, { ...rejection, field: came.nameOf(rejection.field) }, came.input)
    return null
  }

  /** Most ids come once: who came with one is only made out when it comes again. */
  #isNew(id: string, person: string | Scanned): boolean {
    const first = this.#seen.get(id)
    if (first === undefined) {
      this.#seen.set(id, person)
      return true
    }
    // No id holds a NUL.
    const both = `${id}\u0000${personText(person)}`
    if (personText(first) === personText(person) || this.#seen.has(both)) return false
    this.#seen.set(both, '')
    return true
  }
}

function personText(person: string | Scanned): string {
  if (typeof person === 'string') return person
  return personKey({ kind: person.isCustomer ? 'customer' : 'anonymous', customer: person.key.toString() })
}

/** @param value of an interaction that has none */
function withMintedId(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`{"id":"${randomUUIDv7()}",`), value.subarray(1)])
}

/** Bytes of the JSON of everything but the props, at most: their characters take six bytes each where they are escaped. */
const FIELDS_AT_MOST = 10_000

/** What its JSON takes at most, without making it. */
function largestSizeOf({ props }: ProducedInteraction): number {
  let bytes = FIELDS_AT_MOST
  for (const name in props) {
    const value = props[name]
    bytes += 6 * (name.length + (typeof value === 'string' ? value.length : 5))
  }
  return bytes
}

function idOf(input: unknown): unknown {
  return typeof input === 'object' && input !== null && 'id' in input ? input.id : null
}

/** A rejection that a format finds by itself. */
export function rejection(reason: Rejection['reason'], field: string, expected: string, got: unknown): Rejection {
  return { reason, field, expected, got: show(got) }
}
