import { z } from 'zod'
import { groupShape, OF, selectionShape } from '../selection-shape.ts'

/** In the order in which people meet them. */
export const MODELS = ['first', 'last', 'linear', 'position', 'decay', 'markov', 'shapley'] as const
export type Model = (typeof MODELS)[number]

const count = z.int().nonnegative()
const credit = z.number().nonnegative()

/** The options of `report chains` that list the chains a number is about. */
const drill = z.object({
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  date: z.enum(['start', 'end']).optional(),
  where: z.array(z.string()).optional(),
  state: z.enum(['converted', 'broken']),
  /** `channel=search`: a touch of the chain has this channel; `channel=`: none of its touches has one. */
  touch: z.array(z.string()),
})

const attributionRow = z.object({
  /** The touchpoint, channel or campaign; null for the chains of which no touch carries one. */
  item: z.string().nullable(),
  /** Chains that it touched, each once. 0 where only a graph credits it: walks go on from there to where others earned. */
  touched: count,
  /** How often it did. */
  touches: count,
  /** By the models that were asked for. Multiples of `unit`. */
  credits: z.partialRecord(z.enum(MODELS), credit),
  /** The share of the total that would be gone without it, by the graph of `markov`; null where that was not computed. */
  removal: z.number().nullable(),
  /** Standard error of the credit by `shapley`, from drawing orders; null where that was computed exactly, or not at all. */
  shapleyError: z.number().nonnegative().nullable(),
  /** Null in the measures of value: they are about those of these chains that have a value in that currency. */
  chains: drill.nullable(),
})

const measure = z.object({
  /** What is shared out: conversions (1 a converted chain), value (what it earned), breaks (1 a broken chain). */
  measure: z.enum(['conversions', 'value', 'breaks']),
  /** Of a value; null where the purchases named none. */
  currency: z.string().nullable(),
  /** The credits of each model add up to it, exactly as whole numbers of `unit`. */
  total: credit,
  /** A millionth, but for totals of more than a thousand million. */
  unit: z.number().positive(),
  /** Most credit first, all models together. */
  rows: z.array(attributionRow),
})

const states = z.object({ chains: count, open: count, converted: count, broken: count, ignored: count })

export const attributionReport = z.object({
  ...selectionShape,
  /** Of attribution the converted chains get shared out, of blame the broken ones. */
  aim: z.enum(['converted', 'broken']),
  of: z.enum(OF),
  /** Those that the credits are by. */
  models: z.array(z.enum(MODELS)),
  /** Models that could not be computed here, and why. */
  leftOut: z.array(z.object({ model: z.enum(MODELS), why: z.string() })),
  halfLifeMs: count,
  order: z.int().min(1).max(3),
  /** The most orders that `shapley` drew for a group; null where it was computed exactly everywhere, or not at all. */
  samples: count.nullable(),
  seed: count,
  totals: states,
  groups: z.array(
    z.object({
      by: groupShape,
      totals: states,
      /** First the chains, then their value in each currency there is. */
      measures: z.array(measure),
    }),
  ),
})

export type AttributionReport = z.infer<typeof attributionReport>
export type AttributionMeasure = z.infer<typeof measure>
export type AttributionRow = z.infer<typeof attributionRow>
export type AttributionStates = z.infer<typeof states>
