import type { Store } from '@weaklink/clickhouse'
import { chainSummaries } from '../chains/query.ts'
import { wilson } from '../intervals.ts'
import { Params } from '../keys.ts'
import { groupValues, shownPeriod } from '../selection.ts'
import { requireTouchpoints } from '../touchpoints/known.ts'
import { Turns } from '../turns.ts'
import { bestOf, count, emptyTally, FATES, fateOf, passes, type StepTally, type Tally, type Walk } from './fold.ts'
import { type Listed, Page } from './list.ts'
import { matchFunnel, type Plan, planOf } from './match.ts'
import type { FunnelQuery, What } from './options.ts'
import type { FunnelReport, FunnelStep } from './shape.ts'
import { type ChainTuple, funnelSql, GROUP_COUNTS, TOTAL_COUNTS } from './sql.ts'
import { alternativeText, stepText } from './steps.ts'
import { spreadOf } from './times.ts'

/**
 * How far chains come along steps, and what became of those that came no further.
 *
 * Chains are folded as they come: what is held are counts, and the times between the two steps that are asked about.
 *
 * @throws QueryError where a step is no touchpoint that there is
 * @throws StoreError
 */
export async function funnel(store: Store, query: FunnelQuery): Promise<FunnelReport> {
  const plan = planOf(query.funnel)
  await requireTouchpoints(store, 'steps', plan.touchpoints)
  const params = new Params()
  const rows = store.stream<readonly unknown[]>(funnelSql(query, plan, params), params.values, {
    settings: { enable_shared_storage_snapshot_in_query: 1 },
  })

  const groups = new Map<string, { tally: Tally; counts: readonly number[] }>()
  const groupOf = (name: string) => {
    const known = groups.get(name)
    if (known !== undefined) return known
    const fresh = { tally: emptyTally(query.funnel.steps.length), counts: [0, 0, 0, 0, 0] }
    groups.set(name, fresh)
    return fresh
  }
  if (query.by.length === 0) groupOf('[]')
  let people = 0
  let asOf: number | null = null
  const page = query.list === null ? null : new Page(query.list.limit, query.list.after)
  const turns = new Turns()
  for await (const block of rows) {
    for (const row of block) {
      const tuples = (query.count === 'customers' ? row[0] : [row]) as readonly ChainTuple[]
      const [first] = tuples
      if (first?.[1] === GROUP_COUNTS) groupOf(first[0]).counts = first[5]
      else if (first?.[1] === TOTAL_COUNTS) [people = 0, asOf = null] = first[5]
      else {
        const walks = tuples.map((tuple) => walkOf(tuple, plan))
        const best = bestOf(walks)
        if (best !== undefined) {
          count(groupOf(best.group).tally, plan, query.between, best)
          if (page !== null && isListed(query, plan, best)) page.add(listedOf(tuples[walks.indexOf(best)]))
        }
      }
      await turns.take()
    }
  }

  const total = (index: number) => [...groups.values()].reduce((sum, { counts }) => sum + (counts[index] ?? 0), 0)
  const ranked = [...groups].sort(
    ([a, one], [b, other]) =>
      other.tally.steps[0]!.reached - one.tally.steps[0]!.reached ||
      (other.counts[0] ?? 0) - (one.counts[0] ?? 0) ||
      (a < b ? -1 : 1),
  )
  return {
    asOf: asOf === null ? null : new Date(asOf).toISOString(),
    ...shownPeriod(query),
    order: query.funnel.order,
    windowMs: query.funnel.windowMs,
    count: query.count,
    open: query.open,
    totals: {
      customers: people,
      chains: total(0),
      open: total(1),
      converted: total(2),
      broken: total(3),
      ignored: total(4),
    },
    groups: ranked.map(([group, { tally, counts }]) => {
      const by = groupValues(group, query.by)
      return {
        by,
        chains: counts[0] ?? 0,
        steps: stepsOf(plan, tally, by),
        time: timeOf(query, tally),
      }
    }),
    list: page === null ? null : await listOf(store, query, page, plan),
  }
}

function walkOf([group, state, reason, ordinal, kinds, since, spots]: ChainTuple, plan: Plan): Walk {
  let instant = 0
  const at = since.map((ms) => {
    instant += ms
    return instant
  })
  return { group, fate: fateOf(state, reason), ordinal, at, match: matchFunnel({ kinds, at, spots }, plan) }
}

function stepsOf(plan: Plan, tally: Tally, by: Readonly<Record<string, unknown>>): FunnelStep[] {
  const group = Object.entries(by).map(([key, value]) => `${key}=${value ?? ''}`)
  return tally.steps.map((counts, index) => {
    const previous = plan.required.findLast((step) => step < index)
    const { open, converted, ignored, ...reasons } = Object.fromEntries(
      FATES.map((fate, number) => [fate, counts.stopped[number] ?? 0]),
    ) as Record<(typeof FATES)[number], number>
    const { refused, abandoned, dissatisfied, silence } = reasons
    return {
      step: index + 1,
      text: textOf(plan, index),
      optional: plan.funnel.steps[index]!.optional,
      reached: counts.reached,
      passed: counts.passed,
      converted,
      lost: refused + abandoned + dissatisfied + silence,
      reasons,
      ignored,
      open,
      fromFirst: rateOf(counts, tally.steps[0]!),
      fromPrevious: previous === undefined ? null : rateOf(counts, tally.steps[previous]!),
      chains: { ...(group.length === 0 ? {} : { group }), chains: `${index + 1}:reached` },
    }
  })
}

function rateOf({ closed: part }: StepTally, { closed: of }: StepTally): FunnelStep['fromFirst'] {
  const interval = wilson(part, of)
  return {
    part,
    of,
    rate: of === 0 ? null : part / of,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  }
}

/** The step as it was asked; among steps in any order, how many of them. */
function textOf({ blocks, funnel: { steps } }: Plan, index: number): string {
  const block = blocks.find((members) => members.includes(index)) ?? [index]
  if (block.length === 1) return stepText(steps[index]!)
  const names = block.map((member) => steps[member]!.alternatives.map(alternativeText).join('|'))
  return `${block.indexOf(index) + 1} of ${names.join(', ')}`
}

function timeOf({ between }: FunnelQuery, { times }: Tally): FunnelReport['groups'][number]['time'] {
  if (between === null) return null
  const { histogram, ...spread } = spreadOf(times)
  return { from: between[0] + 1, to: between[1] + 1, ...spread, histogram: [...histogram] }
}

function isListed({ list, by }: FunnelQuery, plan: Plan, walk: Walk): boolean {
  if (list === null || walk.match.met[list.step] === -1) return false
  if (list.group !== null) {
    const values = groupValues(walk.group, by)
    for (const [key, value] of list.group) if (String(values[key] ?? '') !== value) return false
  }
  return isWhat(list.what, passes(plan, walk.match, list.step), walk.fate)
}

function isWhat(what: What, passed: boolean, fate: number): boolean {
  if (what === 'reached') return true
  if (what === 'passed' || passed) return what === 'passed' && passed
  const name = FATES[fate]!
  return what === 'lost' ? name !== 'open' && name !== 'converted' && name !== 'ignored' : what === name
}

function listedOf(tuple: ChainTuple | undefined): Listed {
  const [id = '', customer = '', startedAt = 0] = [tuple?.[7], tuple?.[8], tuple?.[9]]
  return { id, customer, startedAt }
}

async function listOf(store: Store, { list }: FunnelQuery, page: Page, plan: Plan): Promise<FunnelReport['list']> {
  if (list === null) return null
  const { chains, next } = page.page()
  return {
    step: list.step + 1,
    text: textOf(plan, list.step),
    what: list.what,
    count: page.count,
    chains: await chainSummaries(store, chains),
    next,
  }
}
