import type { Outcome } from '@weaklink/interactions'

/** Compares two strings by their UTF-8 bytes, which is not JavaScript's own order where surrogate pairs occur. */
function compareUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'))
}

const RANK: Readonly<Record<Outcome, number>> = { continued: 0, abandoned: 0, refused: 1, bought: 2 }

interface Ordered {
  readonly at: number
  readonly outcome: Outcome
  readonly id: string
}

/** The order of one person's interactions: instant; non-final, refused, bought; id by UTF-8 bytes. */
export function compareInteractions(a: Ordered, b: Ordered): number {
  return a.at - b.at || RANK[a.outcome] - RANK[b.outcome] || compareUtf8(a.id, b.id)
}
