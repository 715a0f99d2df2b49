import { byColumns, type Row } from '../question.ts'
import { type AttributionReport, MODELS } from './shape.ts'

/** One row a group, measure and name, the models side by side; null where a model was not asked for. */
export function attributionRows({ groups }: AttributionReport): Row[] {
  return groups.flatMap(({ by, measures }) =>
    measures.flatMap(({ measure, currency, rows }) =>
      rows.map(({ item, touched, touches, credits, removal, shapleyError }) => ({
        ...byColumns(by),
        measure,
        valueCurrency: currency,
        item,
        touched,
        touches,
        ...Object.fromEntries(MODELS.map((model) => [model, credits[model] ?? null])),
        removal,
        shapleyError,
      })),
    ),
  )
}
