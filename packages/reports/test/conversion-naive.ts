import type { ChainInteraction } from '@weaklink/chains'
import { newcombe, wilson } from '../src/intervals.ts'
import { chainUnits, type PersonChains, type Unit } from './naive.ts'
import { byOf, groupsOf, iso, nearestRank, type PathsOptions, pathOf, placesOf, selectedUnits } from './paths-naive.ts'

export interface ConversionOptions extends Pick<PathsOptions, 'from' | 'to' | 'date' | 'where' | 'by'> {
  readonly of?: string | undefined
}

type Of = 'touchpoint' | 'channel' | 'campaign'

/** The report as its definitions read, over chains in memory. `chains`, the drill, is left out: a test follows it. */
export function naiveConversion(people: readonly PersonChains[], options: ConversionOptions, tick: number | null) {
  const of = (options.of ?? 'touchpoint') as Of
  const selected = selectedUnits(people, options)
  const again = repeatsOf(people)
  const groups = groupsOf(selected, options).sort(([a, as], [b, bs]) => bs.length - as.length || (a < b ? -1 : 1))
  return {
    asOf: iso(tick),
    from: options.from === undefined ? null : iso(Date.parse(options.from)),
    to: options.to === undefined ? null : iso(Date.parse(options.to)),
    date: options.date ?? 'start',
    of,
    totals: outcomeOf(selected),
    groups: groups.map(([key, units]) => ({
      by: byOf(key, options),
      totals: profileOf(units, () => true, again),
      rows: rowsOf(units, of, again),
    })),
  }
}

type Again = ReadonlyMap<string, { cameAgain: boolean; boughtAgain: boolean }>

function rowsOf(units: readonly Unit[], of: Of, again: Again) {
  const item = (met: ChainInteraction) => met.interaction[of] ?? null
  const items = [...new Set(units.flatMap((unit) => placesOf(unit).map(item)))]
  const rows = items.map((one) => {
    const isIt = (met: ChainInteraction) => item(met) === one
    const having = units.filter((unit) => placesOf(unit).some(isIt))
    const others = units.filter((unit) => !placesOf(unit).some(isIt))
    const pathHas = (test: (index: number, last: number) => boolean) =>
      units.filter((unit) => pathOf(unit).some((met, index, path) => isIt(met) && test(index, path.length - 1)))
    const reaction = { touches: 0, wentOn: 0, bought: 0, broke: 0, ignored: 0, open: 0 }
    for (const unit of units) {
      const last = pathOf(unit).length - 1
      for (const [index, met] of placesOf(unit).entries()) {
        if (!isIt(met)) continue
        if (unit.state === 'open') {
          reaction.open++
          continue
        }
        reaction.touches++
        if (index < last) reaction.wentOn++
        else if (index > last || unit.state === 'ignored') reaction.ignored++
        else if (unit.state === 'converted') reaction.bought++
        else reaction.broke++
      }
    }
    const lastTouched = units
      .filter((unit) => unit.state === 'converted')
      .filter((unit) => {
        const before = touchesBefore(unit)
        return isIt(before.at(-1) ?? saleOf(unit))
      })
    const [yes, no] = [outcomeOf(having), outcomeOf(others)]
    const interval = newcombe(yes.converted, yes.converted + yes.broken, no.converted, no.converted + no.broken)
    return {
      item: one,
      with: profileOf(having, isIt, again),
      without: no,
      lift: {
        difference:
          yes.conversionRate === null || no.conversionRate === null ? null : yes.conversionRate - no.conversionRate,
        low: interval?.low ?? null,
        high: interval?.high ?? null,
        ratio: yes.conversionRate === null || !no.conversionRate ? null : yes.conversionRate / no.conversionRate,
      },
      reaction,
      position: {
        first: outcomeOf(pathHas((index) => index === 0)),
        middle: outcomeOf(pathHas((index, last) => index > 0 && index < last)),
        last: outcomeOf(pathHas((index, last) => index === last)),
        afterwards: outcomeOf(having.filter((unit) => !pathOf(unit).some(isIt))),
      },
      lastTouch: repeatOf(lastTouched, again),
    }
  })
  return rows.sort((a, b) => b.with.chains - a.with.chains || ((a.item ?? '') < (b.item ?? '') ? -1 : 1))
}

function outcomeOf(units: readonly Unit[]) {
  const count = (state: string) => units.filter((unit) => unit.state === state).length
  const [converted, broken] = [count('converted'), count('broken')]
  const interval = wilson(converted, converted + broken)
  return {
    chains: units.length,
    converted,
    broken,
    ignored: count('ignored'),
    open: count('open'),
    conversionRate: converted + broken === 0 ? null : converted / (converted + broken),
    low: interval?.low ?? null,
    high: interval?.high ?? null,
  }
}

function profileOf(units: readonly Unit[], isIt: (met: ChainInteraction) => boolean, again: Again) {
  const ended = units.filter((unit) => unit.state !== 'open')
  const sold = units.filter((unit) => unit.state === 'converted')
  const touches = sold.map((unit) => touchesBefore(unit).length).sort((a, b) => a - b)
  const times = sold.map((unit) => saleOf(unit).interaction.at - unit.interactions[0]!.interaction.at)
  times.sort((a, b) => a - b)
  return {
    ...outcomeOf(units),
    new: outcomeOf(units.filter((unit) => !unit.returning)),
    returning: outcomeOf(units.filter((unit) => unit.returning)),
    money: moneyOf(sold, ended, isIt),
    touchesBeforeSale: {
      mean: sold.length === 0 ? null : sum(touches) / sold.length,
      p50: nearestRank(touches, 50),
      p95: nearestRank(touches, 95),
    },
    timeToSaleMs: { p50: nearestRank(times, 50), p95: nearestRank(times, 95) },
    staffPerChain: ended.length === 0 ? null : sum(ended.map(staffOf)) / ended.length,
    repeat: repeatOf(sold, again),
  }
}

function moneyOf(sold: readonly Unit[], ended: readonly Unit[], isIt: (met: ChainInteraction) => boolean) {
  const sales = sold
    .filter((unit) => !unit.reversed)
    .flatMap((unit) => unit.interactions.filter((met) => met.outcome === 'bought' && !met.epilogue))
  const touches = ended.flatMap((unit) => placesOf(unit).filter(isIt))
  const currency = (met: ChainInteraction) => met.interaction.currency ?? null
  const currencies = new Set([
    ...sales.filter((met) => (met.interaction.value ?? 0) > 0).map(currency),
    ...touches.filter((met) => (met.interaction.cost ?? 0) > 0).map(currency),
  ])
  return [...currencies]
    .sort((a, b) => ((a ?? '') < (b ?? '') ? -1 : 1))
    .map((one) => {
      const cost = round(sum(touches.filter((met) => currency(met) === one).map((met) => met.interaction.cost ?? 0)))
      return {
        currency: one,
        value: round(sum(sales.filter((met) => currency(met) === one).map((met) => met.interaction.value ?? 0))),
        cost,
        costPerSale: sold.length === 0 ? null : cost / sold.length,
      }
    })
}

function saleOf(unit: Unit): ChainInteraction {
  return unit.interactions.find((met) => met.outcome === 'bought' && !met.epilogue)!
}

function touchesBefore(unit: Unit): ChainInteraction[] {
  return unit.interactions.slice(0, unit.interactions.indexOf(saleOf(unit))).filter((met) => met.place)
}

function repeatOf(sold: readonly Unit[], again: Again) {
  const came = sold.filter((unit) => again.get(idOf(unit))!.cameAgain).length
  const bought = sold.filter((unit) => again.get(idOf(unit))!.boughtAgain).length
  return {
    of: sold.length,
    cameAgain: came,
    cameAgainRate: sold.length === 0 ? null : came / sold.length,
    boughtAgain: bought,
    boughtAgainRate: sold.length === 0 ? null : bought / sold.length,
  }
}

/** By chain, among all chains of the customer. */
function repeatsOf(people: readonly PersonChains[]): Again {
  return new Map(
    people.flatMap(({ person, chains }) =>
      chainUnits(person, chains, 'place').map((unit, index) => {
        const later = chains
          .slice(index + 1)
          .filter((chain) => chain.interactions.some((met) => met.by === 'customer' && !met.epilogue))
        const boughtAgain = later.some((chain) => chain.state === 'converted')
        return [idOf(unit), { cameAgain: later.length > 0, boughtAgain }] as const
      }),
    ),
  )
}

function idOf(unit: Unit & { readonly id?: string }): string {
  return unit.id!
}

function staffOf(unit: Unit & { readonly staff?: number }): number {
  return unit.staff!
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6
}
