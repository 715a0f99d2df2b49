import { drillInto } from '../drill.ts'
import type { KeyValue } from '../keys.ts'
import type { AttributionQuery } from './options.ts'
import type { AttributionRow } from './shape.ts'

type Drill = NonNullable<AttributionRow['chains']>

/** The options of `report chains` that list the chains which a name touched, in one group. */
export function drillOf(query: AttributionQuery, by: Readonly<Record<string, KeyValue>>, name: string): Drill {
  return { ...drillInto(query, by), state: query.aim, touch: [`${query.of}=${name}`] }
}

/** The same as a command. */
export function chainsCommand({ from, to, date, where = [], state, touch }: Drill): string {
  const options = [
    ['state', state],
    ...touch.map((value) => ['touch', value]),
    ...where.map((value) => ['where', value]),
    ...Object.entries({ from, to, date }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  ]
  return ['weaklink report chains', ...options.map(([name, value]) => `--${name} ${shellWord(value ?? '')}`)].join(' ')
}

function shellWord(text: string): string {
  return /^[\w.:=@%+,/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
