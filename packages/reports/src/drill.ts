import { conditionOf, type KeyValue } from './keys.ts'
import type { Selection } from './selection.ts'

/** Options of `report chains`, by their names. */
export type Drill = Record<string, string | string[]>

/** The options of `report chains` that list the chains of a selection that begin with these values of `by`. */
export function drillInto(selection: Selection, by: Readonly<Record<string, KeyValue>>): Drill {
  const { from, to, date, where } = selection
  const conditions = [
    // Several values of one key are alternatives, so what the group says takes the place of what was asked.
    ...[...where.values()]
      .filter(({ key }) => !Object.hasOwn(by, key.name))
      .flatMap(({ key, values }) => values.map((value) => `${key.name}=${value}`)),
    ...Object.entries(by).map(([name, value]) => conditionOf(name, value)),
  ]
  return {
    ...(from === null ? {} : { from: new Date(from).toISOString() }),
    ...(to === null ? {} : { to: new Date(to).toISOString() }),
    ...(date === 'start' ? {} : { date }),
    ...(conditions.length === 0 ? {} : { where: conditions }),
  }
}
