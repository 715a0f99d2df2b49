import { isTouchpoint, OUTCOMES, type Outcome } from '@weaklink/interactions'
import { durationOf } from '../duration.ts'
import { QueryError } from '../query-error.ts'
import { shortDuration } from '../terminal.ts'

/** In which order steps have to come. */
export const ORDERS = ['steps', 'strict', 'any'] as const
export type Order = (typeof ORDERS)[number]

/** What is asked of a chain: how far it comes along these steps. */
export interface Funnel {
  /**
   * `steps`: one after the other, whatever is in between. `strict`: with no other place of the chain in between. `any`: in any
   * order, but for the anchored steps, which stay where they are.
   */
  readonly order: Order
  /** 1 to 40. */
  readonly steps: readonly Step[]
  /** From the first interaction that counts to the last, at most; null for no bound. */
  readonly windowMs: number | null
}

/** One step: an interaction that is one of the alternatives. */
export interface Step {
  readonly alternatives: readonly Alternative[]
  /** It may be missing. Never the first step, never in any order. */
  readonly optional: boolean
  /** In any order: what stands before it comes before it, what stands after it comes after it. */
  readonly anchored: boolean
  /** From the step that was met before it, at most. */
  readonly windowMs: number | null
  /** None of these may be between the step that was met before it and this one. */
  readonly not: readonly Alternative[]
}

export interface Alternative {
  readonly touchpoint: string
  /** Null: any. */
  readonly outcome: Outcome | null
}

const MOST_STEPS = 40
/** Of the text of all steps. */
const MOST_CHARACTERS = 4000

/** For --help and the API. */
export const STEPS_SYNTAX =
  'Touchpoints with > between them: "ad_view > site_visit > pay:bought". A|B: either of them. A:bought: with this outcome. ' +
  'A?: may be missing. A<2d: at most 2 days after the step before (ms, s, m, h, d). ' +
  'A > not B > C: no B between A and C. ^A (in any order): stays in its place. In brackets where that is clearer: [A|B]<2d?, [A|B]:bought.'

/**
 * @param text as STEPS_SYNTAX says
 * @throws QueryError naming the character and what was expected there
 */
export function parseSteps(text: string, order: Order): Step[] {
  if (text.length > MOST_CHARACTERS) {
    throw new QueryError('steps', `${text.slice(0, 40)}…`, `at most ${MOST_CHARACTERS} characters`)
  }
  const reader = new Reader(text)
  const steps: Step[] = []
  let not: Alternative[] = []
  let notAt = 0
  do {
    const from = reader.skip()
    if (reader.take(/!|not\s+(?=[[\p{L}\p{N}])/uy)) {
      if (steps.length === 0) throw reader.error('a step before what must not follow it', from)
      if (order === 'any') throw reader.error('a step: `not` goes with steps in order, not with --order any', from)
      not.push(...readAlternatives(reader))
      notAt = from
      reader.skip()
      if (reader.take(/[?<^]/y)) throw reader.error('nothing but > after what must not occur', reader.at - 1)
    } else {
      const step = readStep(reader, order, steps.length === 0)
      steps.push({ ...step, not })
      not = []
      if (steps.length > MOST_STEPS) throw reader.error(`at most ${MOST_STEPS} steps`, from)
    }
    reader.skip()
  } while (reader.take(/>/y))
  if (!reader.atEnd()) throw reader.error('> and the next step, or the end')
  if (not.length > 0) throw reader.error('a step after what must not come before it', notAt)
  return steps
}

function readStep(reader: Reader, order: Order, first: boolean): Omit<Step, 'not'> {
  const from = reader.at
  const anchored = reader.take(/\^/y)
  if (anchored && order !== 'any') throw reader.error('a touchpoint: ^ goes with --order any only', from)
  const alternatives = readAlternatives(reader)
  let optional = false
  let windowMs: number | null = null
  for (;;) {
    const at = reader.skip()
    if (reader.take(/\?/y)) {
      if (first) throw reader.error('> : the first step may not be missing, since everything is counted from it', at)
      if (order === 'any') throw reader.error('> : in any order (--order any) no step may be missing', at)
      if (optional) throw reader.error('> and the next step', at)
      optional = true
    } else if (reader.take(/</y)) {
      if (first) throw reader.error('> : the first step has none before it', at)
      if (order === 'any')
        throw reader.error('> : in any order no step is "the one before"; --window bounds them all', at)
      if (windowMs !== null) throw reader.error('> and the next step', at)
      reader.skip()
      windowMs = readDuration(reader)
    } else {
      return { alternatives, optional, anchored, windowMs }
    }
  }
}

function readAlternatives(reader: Reader): Alternative[] {
  reader.skip()
  const bracket = reader.take(/\[/y)
  const alternatives: Alternative[] = []
  do {
    const from = reader.skip()
    const touchpoint = reader.read(/[\p{L}\p{N}][\p{L}\p{N}\p{M}_.-]*/uy)?.normalize('NFC')
    if (touchpoint === undefined) throw reader.error('a touchpoint')
    if (!isTouchpoint(touchpoint)) throw reader.error('a touchpoint, in lower case, of at most 64 characters', from)
    reader.skip()
    alternatives.push({ touchpoint, outcome: reader.take(/:/y) ? readOutcome(reader) : null })
    reader.skip()
  } while (reader.take(/\|/y))
  if (!bracket) return alternatives
  if (!reader.take(/\]/y)) throw reader.error('| and another touchpoint, or ]')
  const from = reader.skip()
  if (!reader.take(/:/y)) return alternatives
  if (alternatives.some((one) => one.outcome !== null)) {
    throw reader.error('> and the next step: an outcome stands within the brackets already', from)
  }
  const outcome = readOutcome(reader)
  return alternatives.map(({ touchpoint }) => ({ touchpoint, outcome }))
}

function readOutcome(reader: Reader): Outcome {
  const from = reader.skip()
  const word = reader.read(/[a-z]+/y)
  const outcome = OUTCOMES.find((one) => one === word)
  if (outcome === undefined) throw reader.error(`one of ${OUTCOMES.join(', ')}`, from)
  return outcome
}

const DURATION = /(\d{1,9})(ms|s|m|h|d)/y
const A_DURATION = 'a duration as 500ms, 20s, 3m, 24h or 7d, longer than 0'

function readDuration(reader: Reader): number {
  const from = reader.at
  const ms = durationMs(reader.read(DURATION) ?? '')
  if (ms === null) throw reader.error(A_DURATION, from)
  return ms
}

/** Null where it is none, or none that could bound anything. */
function durationMs(text: string): number | null {
  return durationOf(text) || null
}

/** @throws QueryError where it is none, or shorter than the window of a step, which would then be no window */
export function parseWindow(text: string | undefined, steps: readonly Step[]): number | null {
  if (text === undefined) return null
  const windowMs = durationMs(text.trim())
  if (windowMs === null) throw new QueryError('window', text, A_DURATION)
  const longest = Math.max(0, ...steps.map((step) => step.windowMs ?? 0))
  if (longest > windowMs) {
    throw new QueryError('window', text, `at least the ${shortDuration(longest)} that --steps gives to one step`)
  }
  return windowMs
}

/** The step as it is written, after what must not come before it. */
export function stepText({ alternatives, optional, anchored, windowMs, not }: Step): string {
  const names = alternatives.map(alternativeText).join('|')
  const suffix = `${windowMs === null ? '' : `<${shortDuration(windowMs)}`}${optional ? '?' : ''}`
  const bracketed = alternatives.length > 1 && (anchored || suffix !== '') ? `[${names}]` : names
  const excluded = not.length === 0 ? '' : `not ${not.map(alternativeText).join('|')} > `
  return `${excluded}${anchored ? '^' : ''}${bracketed}${suffix}`
}

export function alternativeText({ touchpoint, outcome }: Alternative): string {
  return outcome === null ? touchpoint : `${touchpoint}:${outcome}`
}

/** The text and how far it is read. */
class Reader {
  readonly #text: string
  at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** What a sticky pattern finds here. */
  read(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.#text)?.[0]
    this.at += found?.length ?? 0
    return found
  }

  take(pattern: RegExp): boolean {
    return this.read(pattern) !== undefined
  }

  /** Over the space; gives where it then is. */
  skip(): number {
    this.read(/\s*/y)
    return this.at
  }

  atEnd(): boolean {
    return this.at === this.#text.length
  }

  error(expected: string, at = this.at): QueryError {
    const rest = this.#text.slice(at, at + 20)
    const where = rest === '' ? 'at its end' : `at character ${at + 1}, where it says "${rest}"`
    return new QueryError('steps', this.#text, `${where}: ${expected}`)
  }
}
