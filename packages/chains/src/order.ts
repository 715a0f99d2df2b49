import type { Outcome } from '@weaklink/interactions'

/**
 * Compares two well-formed strings by their UTF-8 bytes, which is the order of code points. JavaScript's own order, by
 * UTF-16 units, differs where a surrogate pair meets a character from U+E000 on.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let k = 0; k < length; k++) {
    const [left, right] = [a.charCodeAt(k), b.charCodeAt(k)]
    if (left !== right)
      return left >= 0xd800 && right >= 0xd800 ? surrogatesLast(left) - surrogatesLast(right) : left - right
  }
  return a.length - b.length
}

function surrogatesLast(unit: number): number {
  return unit < 0xe000 ? unit + 0x10000 : unit
}

const RANK: Readonly<Record<Outcome, number>> = { continued: 0, abandoned: 1, refused: 2, bought: 3 }

interface Ordered {
  readonly at: number
  readonly outcome: Outcome
  readonly id: string
}

/** The order of one person's interactions: instant; continued, abandoned, refused, bought; id by UTF-8 bytes. */
export function compareInteractions(a: Ordered, b: Ordered): number {
  return a.at - b.at || RANK[a.outcome] - RANK[b.outcome] || compareUtf8(a.id, b.id)
}
