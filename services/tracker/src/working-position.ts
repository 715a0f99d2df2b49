import type { Counts, ImportCounts, Position } from './store.ts'

/** Where a partition stands while records are taken in: a position that moves. */
export type WorkingPosition = Mutable<Omit<Position, 'imports'>> & { readonly imports: Mutable<ImportCounts>[] }
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** The last imports whose counts a position carries. */
const IMPORTS_KEPT = 16

/** A position of its own, which does not move with the other one. */
export function copyOf(position: Position): WorkingPosition {
  return { ...position, imports: position.imports.map((one) => ({ ...one })) }
}

/** One more interaction of which that became, and of the import that brought it, where one did. */
export function count(position: WorkingPosition, importId: string | undefined, what: keyof Counts): void {
  position[what]++
  if (importId !== undefined) importIn(position, importId)[what]++
}

/** The counts of an import; begins them where it is new. */
export function importIn({ imports }: WorkingPosition, id: string): Mutable<ImportCounts> {
  const known = imports.find((one) => one.id === id)
  if (known !== undefined) return known
  const begun = { id, accepted: 0, duplicates: 0, conflicts: 0, rejected: 0, ended: false }
  imports.push(begun)
  if (imports.length > IMPORTS_KEPT) imports.shift()
  return begun
}
