import type { Rejection } from '@weaklink/interactions'

/** Something that was not taken in, as the answer names it. */
export interface Refusal extends Rejection {
  /** Its place in the request, from 0. */
  readonly index: number
  /** The id that it came with. */
  readonly id: string | null
}

/** The same for people who watch: with what came, and when. */
export interface RefusedInput extends Rejection {
  readonly id: string | null
  /** The beginning of its JSON. */
  readonly value: string
  /** Epoch milliseconds at which it came. */
  readonly at: number
}

/** Characters of the JSON that `RefusedInput` shows. */
const SHOWN = 2_000
/** Characters of a name that came from outside and stands in an answer. */
const MAX_NAME = 128

export function refusal(index: number, id: unknown, { reason, field, expected, got }: Rejection): Refusal {
  return {
    index,
    id: typeof id === 'string' ? cut(id, MAX_NAME) : null,
    reason,
    field: cut(field, MAX_NAME),
    expected,
    got,
  }
}

export function refusedInput({ index: _, ...refused }: Refusal, input: unknown, at: number): RefusedInput {
  return { ...refused, value: cut(json(input), SHOWN), at }
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    // It is nested deeper than the stack goes.
    return Array.isArray(value) ? '[…]' : '{…}'
  }
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`
}
