import type { Actor, Outcome, Reaction } from '@weaklink/interactions'
import { guessPatience, guessSteps, historiesOf, type Met, type PatienceGuess, shareAfter } from './history.ts'
import { type Meaning, meaningOf } from './meaning.ts'

export interface TouchpointEntry {
  readonly id: string
  readonly name: Readonly<Record<string, string>>
  readonly interactions: number
  readonly group?: string
  readonly by?: Actor
  readonly step?: number
  readonly stage?: 'post_purchase'
  readonly outcome?: Exclude<Outcome, 'continued'>
  readonly reaction?: Reaction
  readonly result?: true
  readonly patienceMs?: number
  /** It sounds like a note of the company's, but may be a place: only a person can tell. */
  readonly maybeNote?: true
  /** Why, where it is not plain. */
  readonly remark?: string
}

export interface CatalogueGuess {
  readonly patience: PatienceGuess
  /** In the order of the way to the purchase. */
  readonly touchpoints: readonly TouchpointEntry[]
  /** Touchpoints that are left out because there are so many. */
  readonly leftOut: number
}

/** What is known of a touchpoint before its interactions are looked at. */
export interface Named {
  /** As the file writes it. */
  readonly raw: string
  /** Instead of the raw value. */
  readonly name?: Readonly<Record<string, string>>
  /** Ways of writing that are folded into the one id; default 1. */
  readonly spellings?: number
}

export interface CatalogueOptions {
  readonly names: ReadonlyMap<string, Named>
  /** The column holds states rather than events. */
  readonly states: boolean
  /** What kind of episode the file has. */
  readonly group: string | undefined
  /** The file tells one sale from the next. */
  readonly hasOrders: boolean
}

const MAX_ENTRIES = 100

/** What the touchpoints of these interactions seem to be. */
export function guessCatalogue(met: readonly Met[], options: CatalogueOptions): CatalogueGuess {
  const histories = historiesOf(met)
  const counts = new Map<string, number>()
  for (const { touchpoint } of met) counts.set(touchpoint, (counts.get(touchpoint) ?? 0) + 1)
  const common = [...counts].sort((a, b) => b[1] - a[1])
  const meanings = new Map(
    common.map(([id]) => [id, meaningOf(options.names.get(id)?.raw ?? id, options.states)] as const),
  )
  const idsWith = (wanted: (meaning: Meaning) => boolean) =>
    new Set([...meanings].filter(([, meaning]) => wanted(meaning)).map(([id]) => id))
  const bought = idsWith(({ outcome }) => outcome === 'bought')
  const ends = idsWith(({ outcome, result }) => outcome === 'bought' || outcome === 'refused' || result)
  // Where the file shows sales, what sounds like "after a sale" must mostly come after one: reviews are read before too.
  const afterSale = idsWith(({ afterSale }) => afterSale)
  for (const id of afterSale) if (bought.size > 0 && shareAfter(histories, id, bought) < 0.5) afterSale.delete(id)

  const places = new Set(
    [...meanings]
      .filter(([id, { by, awaitsAnswer }]) => !afterSale.has(id) && !ends.has(id) && (by !== 'company' || awaitsAnswer))
      .map(([id]) => id),
  )
  const steps = guessSteps(histories, places, ends)
  const last = Math.max(0, ...steps.values()) + 1
  const patience = guessPatience(histories, ends)

  const entries = common.slice(0, MAX_ENTRIES).map(([id, interactions]): TouchpointEntry => {
    const { outcome, reaction, result, by, awaitsAnswer, maybeNote } = meanings.get(id)!
    const sameSale = outcome === 'bought' && !result && !options.hasOrders && shareAfter(histories, id, bought) >= 0.5
    const step = outcome === 'bought' && !result && !sameSale && steps.size > 0 ? last : steps.get(id)
    // A company's message has no patience of its own, unless it waits for an answer.
    const patienceMs = awaitsAnswer
      ? Math.max(patience.patienceMs, patience.own.get(id) ?? 0)
      : by === undefined
        ? patience.own.get(id)
        : undefined
    return {
      id,
      name: options.names.get(id)?.name ?? nameOf(options.names.get(id)?.raw ?? id),
      interactions,
      ...(options.group === undefined ? {} : { group: options.group }),
      ...(by === undefined ? {} : { by }),
      ...(step === undefined ? {} : { step }),
      ...(afterSale.has(id) ? { stage: 'post_purchase' } : {}),
      ...(outcome === undefined ? {} : { outcome }),
      ...(reaction === undefined ? {} : { reaction }),
      ...(result || sameSale ? { result: true } : {}),
      ...(patienceMs === undefined ? {} : { patienceMs }),
      ...(maybeNote ? { maybeNote } : {}),
      ...(sameSale ? { remark: 'mostly follows another purchase: taken for the same sale' } : {}),
    }
  })
  return {
    patience,
    touchpoints: entries.toSorted((a, b) => rank(a) - rank(b)),
    leftOut: common.length - entries.length,
  }
}

/** What a person knows it by. */
export function titleOf({ id, name }: TouchpointEntry): string {
  return Object.values(name)[0] ?? id
}

/** Steps first, then what ends a chain, what comes after, and what the company does. */
function rank({ step, outcome, stage, by }: TouchpointEntry): number {
  if (step !== undefined) return step
  if (by === 'company') return 1e6
  if (stage !== undefined) return 1e5
  if (outcome === 'bought') return 1e3
  return outcome === 'refused' ? 1e4 : 1e2
}

/** The raw value, with its language guessed by its script. */
function nameOf(raw: string): Readonly<Record<string, string>> {
  // An identifier (product_view) is easier to read as words.
  const words = /\s/.test(raw) ? raw : raw.replace(/[_-]+/g, ' ').trim() || raw
  const name = words.charAt(0).toUpperCase() + words.slice(1, 200)
  if (/\p{Script=Han}/u.test(name)) return { zh: name }
  return /\p{Script=Cyrillic}/u.test(name) ? { ru: name } : { en: name }
}
