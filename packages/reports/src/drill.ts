import { conditionOf, type KeyValue, type Where } from './keys.ts'
import type { Selection } from './selection.ts'

/** Options of `report chains`, by their names. */
export type Drill = Record<string, string | string[]>

/** The options of `report chains` that list the chains of a selection that begin with these values of `by`. */
export function drillInto(selection: Selection, by: Readonly<Record<string, KeyValue>>): Drill {
  const { from, to, date, where } = selection
  const conditions = [
    ...conditionsOf(where, new Set(Object.keys(by))),
    ...Object.entries(by).map(([name, value]) => conditionOf(name, value)),
  ]
  return {
    ...(from === null ? {} : { from: new Date(from).toISOString() }),
    ...(to === null ? {} : { to: new Date(to).toISOString() }),
    ...(date === 'start' ? {} : { date }),
    ...(conditions.length === 0 ? {} : { where: conditions }),
  }
}

/** Conditions as they were written, but for those of keys that have another value now: several values of one key are alternatives. */
export function conditionsOf(where: Where, but: ReadonlySet<string>): string[] {
  return [...where.values()]
    .filter(({ key }) => !but.has(key.name))
    .flatMap(({ key, values }) => values.map((value) => `${key.name}=${value}`))
}
