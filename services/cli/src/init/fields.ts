import type { Column, Table } from './columns.ts'
import { sampleOf } from './columns.ts'
import { placeholder, shareOfAmounts } from './probe.ts'
import { COST, CURRENCY, DURATION, LABELS, UNITS, VALUE, type Vocabulary, WAIT, weightOf } from './vocabulary.ts'

/** The optional fields of an interaction that a column gives by itself: amounts, waits, labels and results. */

type OptionalField =
  | 'value'
  | 'cost'
  | 'currency'
  | 'waitMs'
  | 'durationMs'
  | 'by'
  | 'outcome'
  | 'reaction'
  | keyof typeof LABELS

export interface FieldGuess {
  readonly field: OptionalField
  readonly column: string
  readonly template: string
  /** What the reader of the file should check. */
  readonly remark?: string
}

export interface Fields {
  readonly fields: readonly FieldGuess[]
  readonly decimal?: '.' | ','
  /** Columns whose name fits a field and whose values do not. */
  readonly unfit: ReadonlyMap<string, string>
}

/** Below this share of usable values a column is left out: each of the others would reject its whole row. */
const USABLE = 0.998

/** @param taken columns that are something else already; those that are used here are added */
export function guessFields(table: Table, taken: Set<string>): Fields {
  const fields: FieldGuess[] = []
  const unfit = new Map<string, string>()
  const best = (vocabulary: Vocabulary, fits: (column: Column) => boolean) => bestColumn(table, taken, vocabulary, fits)
  const use = (field: OptionalField, column: Column, template: string, remark?: string) => {
    taken.add(column.name)
    fields.push({ field, column: column.name, template, ...(remark === undefined ? {} : { remark }) })
  }

  const waits = (['waitMs', 'durationMs'] as const).flatMap((field) => {
    const column = best(field === 'waitMs' ? WAIT : DURATION, () => true)
    return column === undefined ? [] : [{ field, column }]
  })
  const amounts = (['cost', 'value'] as const).flatMap((field) => {
    const column = best(
      field === 'cost' ? COST : VALUE,
      ({ words }) => !waits.some(({ column }) => column.words === words),
    )
    return column === undefined ? [] : [{ field, column }]
  })
  const decimal = guessDecimal([...waits, ...amounts].map(({ column }) => column))
  for (const { field, column } of [...waits, ...amounts]) {
    if (taken.has(column.name)) continue
    if (shareOfAmounts(sampleOf(column, 5000), decimal) < USABLE) {
      unfit.set(column.name, `would be ${field}, but some values are no numbers from 0 on`)
    } else if (field === 'cost' || field === 'value') use(field, column, placeholder(column.name))
    else {
      const named = UNITS.find(([, names]) => names.test(column.words))?.[0]
      // Our own fields are milliseconds; a phone system counts seconds.
      const unit = named ?? (/[a-z]Ms$/.test(column.name) ? 'ms' : 's')
      use(
        field,
        column,
        placeholder(column.name, unit),
        named === undefined && unit === 's' ? 'seconds? else ms, m or h' : undefined,
      )
    }
  }

  const currencies = new Set(Intl.supportedValuesOf('currency'))
  const currency = best(CURRENCY, ({ counts }) => [...counts.keys()].every((code) => currencies.has(code)))
  if (currency !== undefined) use('currency', currency, placeholder(currency.name))
  for (const [field, vocabulary] of Object.entries(LABELS)) {
    const column = best(vocabulary, ({ longest, numeric, counts, filled }) => {
      const few = counts.size <= Math.max(20, filled / 5)
      return few && longest <= 128 && (field === 'agent' || numeric < 0.9)
    })
    if (column !== undefined) use(field as keyof typeof LABELS, column, placeholder(column.name))
  }
  for (const column of table.columns) {
    if (taken.has(column.name) || column.filled === 0) continue
    const closed = CLOSED.find(({ field }) => column.words === field)
    if (closed !== undefined && [...column.counts.keys()].every((value) => closed.values.includes(value))) {
      use(closed.field, column, placeholder(column.name))
    }
  }
  return { fields, unfit, ...(decimal === undefined ? {} : { decimal }) }
}

/** Fields with a few values of our own: taken only where the file has just those. */
const CLOSED = [
  { field: 'by', values: ['customer', 'company'] },
  { field: 'outcome', values: ['continued', 'bought', 'refused', 'abandoned'] },
  { field: 'reaction', values: ['positive', 'neutral', 'negative'] },
] as const satisfies readonly { field: OptionalField; values: readonly string[] }[] as readonly {
  field: 'by' | 'outcome' | 'reaction'
  values: readonly string[]
}[]

/** The free column that the vocabulary weighs most, of equals the fullest. */
export function bestColumn(
  table: Table,
  taken: ReadonlySet<string>,
  vocabulary: Vocabulary,
  fits: (column: Column) => boolean,
): Column | undefined {
  return table.columns
    .filter(
      (column) =>
        column.filled > 0 && !taken.has(column.name) && weightOf(column.words, vocabulary) > 0 && fits(column),
    )
    .toSorted((a, b) => weightOf(b.words, vocabulary) - weightOf(a.words, vocabulary) || b.filled - a.filled)[0]
}

/** The decimal mark with which the most values are numbers; none where none is needed. */
function guessDecimal(columns: readonly Column[]): '.' | ',' | undefined {
  const texts = columns.flatMap((column) => sampleOf(column, 2000))
  // `1,234` alone could be either: then the comma groups thousands, as in an export with $1,234.
  const marks = texts.some((text) => /,\d{1,2}$|,\d{4,}$/.test(text))
    ? ([undefined, ',', '.'] as const)
    : ([undefined, '.', ','] as const)
  let best: { mark: '.' | ',' | undefined; share: number } = { mark: undefined, share: -1 }
  for (const mark of marks) {
    const share = shareOfAmounts(texts, mark)
    if (share > best.share) best = { mark, share }
  }
  return best.mark
}
