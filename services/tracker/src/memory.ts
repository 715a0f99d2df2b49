import { type Catalogue, catalogueFromContent } from '@weaklink/chains'
import { type Person, personKey } from '@weaklink/interactions'
import { Histories, type Remembered } from './histories.ts'
import type { StoredHistory, TrackerStore } from './store.ts'

export interface MemoryOptions {
  readonly store: TrackerStore
  /** How many interactions the cache of histories may hold at the moment. */
  readonly cacheLimit: () => number
  /** There for breaks to be told: then it matters which catalogue somebody was derived under. */
  readonly tell?: unknown
}

/** Somebody whose history is needed; undefined until it is loaded. */
export interface Wanted {
  readonly person: Person
  readonly key: string
  history: Remembered | undefined
}

const NOBODY: ReadonlyMap<string, StoredHistory> = new Map()
const NO_CATALOGUES: ReadonlyMap<string, string> = new Map()

/** The histories of a partition: some in memory, all others in the store, as of a version. */
export class Memory {
  readonly #options: MemoryOptions
  readonly #histories: Histories
  /** By hash those that histories in memory were derived under. */
  readonly #catalogues = new Map<string, Catalogue>()
  /**
   * Nothing below the position is outside of the cache: nobody ever wrote before this process began, and it has not
   * dropped a history yet. Then who is not in the cache is new, and need not be looked for.
   */
  #isWhole: boolean

  constructor(options: MemoryOptions, isWhole: boolean) {
    this.#options = options
    this.#histories = new Histories(options.cacheLimit)
    this.#isWhole = isWhole
  }

  /** The history of somebody who is in the cache. */
  get(key: string): Remembered | undefined {
    return this.#histories.get(key)
  }

  want(person: Person): Wanted {
    const key = personKey(person)
    return { person, key, history: this.#histories.get(key) }
  }

  /** Loads those that are not in the cache: what the store holds of them below this version is all there is of them. */
  async load(wanted: readonly Wanted[], below: number): Promise<void> {
    const missing = wanted.filter(({ history }) => history === undefined)
    if (missing.length === 0) return
    const persons = new Map(missing.map(({ key, person }) => [key, person]))
    const all = [...persons.values()]
    const [stored, catalogues] = this.#isWhole
      ? [NOBODY, NO_CATALOGUES]
      : await Promise.all([this.#options.store.loadHistories(all, below), this.#loadCatalogues(all, below)])
    for (const [key, person] of persons) {
      const history = this.#histories.begin(key, person)
      const past = stored.get(key)
      if (past === undefined) continue
      history.recall(past)
      history.catalogue = this.#catalogues.get(catalogues.get(key) ?? '') ?? null
      this.#histories.grew(history.interactions.length)
    }
    for (const one of missing) one.history = this.#histories.get(one.key)
  }

  /** Which catalogues they were derived under, by key: from then on `#catalogues` has them. */
  async #loadCatalogues(persons: readonly Person[], below: number): Promise<ReadonlyMap<string, string>> {
    const { store, tell } = this.#options
    if (tell === undefined) return NO_CATALOGUES
    const hashes = await store.loadCatalogues(persons, below)
    for (const hash of new Set(hashes.values())) {
      const missing = this.#catalogues.has(hash) ? null : await loadCatalogue(store, hash)
      if (missing !== null) this.#catalogues.set(hash, missing)
    }
    return hashes
  }

  /** To be called when a history that was used just now took interactions in (less than 0: lost some). */
  grew(interactions: number): void {
    this.#histories.grew(interactions)
  }

  /** Makes room where there is too much. */
  evict(): void {
    if (this.#histories.evict()) this.#isWhole = false
  }
}

/** The history of somebody for whom `load` was called. */
export function loaded(wanted: Wanted | null): Remembered {
  if (wanted?.history === undefined) throw new Error(`the history of ${wanted?.key} must be loaded before it is used`)
  return wanted.history
}

/** Null where nobody stored it. */
export async function loadCatalogue(store: TrackerStore, hash: string): Promise<Catalogue | null> {
  const content = await store.loadCatalogue(hash)
  return content === null ? null : catalogueFromContent(content)
}
