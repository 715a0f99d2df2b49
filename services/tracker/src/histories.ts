import { addInteraction, type Catalogue, type History } from '@weaklink/chains'
import type { Interaction, Person } from '@weaklink/interactions'
import { applyChange, type Identity, noIdentity } from './identity.ts'
import type { Observed } from './observer.ts'
import type { StoredHistory } from './store.ts'

/** A history in memory, and what of it the store does not know yet. A class, since a million of them take less memory so. */
export class Remembered implements History {
  readonly person: Person
  readonly key: string
  interactions: readonly Interaction[] = []
  byId: Map<string, Interaction> | null = null
  /** Null for those of whom no link ever said anything. */
  identity: Identity | null = null
  /** The version that changed it last, 0 where its row is written or being written. */
  changed = 0
  /** Its row is on the way: the store may or may not have it. */
  writing = false
  /** Its deadline is the one of its last row. */
  dated = true
  /** Which it was derived under last; null where that is not known, or nobody is told of breaks. */
  catalogue: Catalogue | null = null
  /** What became of its breaks since its last row. */
  observed: Observed | null = null

  constructor(key: string, person: Person) {
    this.key = key
    this.person = person
  }

  /** What links say of this person, from now on to be kept. */
  get knownIdentity(): Identity {
    this.identity ??= noIdentity()
    return this.identity
  }

  /** Becomes what is stored. */
  recall({ interactions, identity }: StoredHistory): void {
    this.interactions = []
    this.byId = null
    const said = identity.length === 0 ? null : noIdentity()
    this.identity = said
    if (said !== null) for (const change of identity) applyChange(said, change)
    for (const { interaction, link } of interactions) {
      if (link !== '' && said !== null && said.withdrawn.has(link)) continue
      if (addInteraction(this, interaction) === 'accepted' && link !== '') {
        this.knownIdentity.moved.set(interaction.id, link)
      }
    }
  }

  /** Lets the interaction share the name of its customer instead of bringing the same text once more. */
  share(interaction: Interaction): Interaction {
    if (interaction.customer !== undefined) (interaction as { customer: string }).customer = this.person.customer
    return interaction
  }
}

/**
 * The bounded cache of histories: who is used stands among the recent ones; when there are too many in all, the older
 * ones are dropped and the recent ones take their place. A history that is changed or being written is pinned: a load
 * would not see what the store has not acknowledged.
 */
export class Histories {
  readonly #limit: () => number
  #recent = new Map<string, Remembered>()
  #older = new Map<string, Remembered>()
  /** In interactions, of which a history counts two on its own. */
  #recentWeight = 0
  #olderWeight = 0

  /** @param limit about how many interactions to hold, which may change: for a while it may be a third more */
  constructor(limit: () => number) {
    this.#limit = limit
  }

  /** The history, from now on one of the recent ones. */
  get(key: string): Remembered | undefined {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    const older = this.#older.get(key)
    if (older === undefined) return undefined
    this.#older.delete(key)
    this.#olderWeight -= weight(older)
    this.#keep(older)
    return older
  }

  /** Begins the history of somebody who is not in the cache. */
  begin(key: string, person: Person): Remembered {
    const history = new Remembered(key, person)
    this.#keep(history)
    return history
  }

  /** To be called when a recent history took interactions in (less than 0: lost some). */
  grew(interactions: number): void {
    this.#recentWeight += interactions
  }

  /** Makes room where there is too much; answers whether anything was dropped. */
  evict(): boolean {
    const limit = this.#limit()
    if (this.#recentWeight + this.#olderWeight <= limit || this.#recentWeight <= limit / 3) return false
    const dropped = this.#older
    this.#older = this.#recent
    this.#olderWeight = this.#recentWeight
    this.#recent = new Map()
    this.#recentWeight = 0
    let pinned = 0
    for (const history of dropped.values()) {
      if (history.changed === 0 && !history.writing) continue
      this.#keep(history)
      pinned++
    }
    return dropped.size > pinned
  }

  #keep(history: Remembered): void {
    this.#recent.set(history.key, history)
    this.#recentWeight += weight(history)
  }
}

function weight(history: Remembered): number {
  return history.interactions.length + 2
}
