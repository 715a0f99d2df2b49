import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedServer, startEmbeddedServer } from '../../packages/clickhouse/src/index.ts'
import { encode, type Interaction } from '../../packages/interactions/src/index.ts'
import { flagOf, QUESTIONS } from '../../packages/reports/src/index.ts'
import type {
  AttributionReport,
  BreakpointsReport,
  ChainsReport,
  ConversionReport,
  FunnelReport,
  PathsReport,
} from '../../packages/reports/src/shapes.ts'
import { temporaryFolder, weaklink } from '../support/weaklink.ts'

// What an analyst and a marketer ask of one business, on the command line: every question is answered, the answers agree with
// one another, and every number leads to its chains.

const folder = temporaryFolder()
const data = join(folder.path, 'data')
/** One server for all commands: each of them would start one of its own. */
let server: EmbeddedServer
const run = (...args: string[]) => {
  const url = new URL(server.url)
  url.username = server.username
  url.password = server.password
  return weaklink([...args, '--data-dir', data], { env: { CLICKHOUSE_URL: url.href } })
}
const say = (name: string, ...options: string[]) => run('report', name, ...options)
const ask = async <T>(name: string, ...options: string[]): Promise<T> => {
  const { status, stdout, stderr } = await say(name, ...options, '--json')
  if (status !== 0) throw new Error(`report ${name} ${options.join(' ')} ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as T
}
/** The chains behind a number: the options that its row names. */
const chainsBehind = (row: Readonly<Record<string, unknown>>) =>
  ask<ChainsReport>(
    'chains',
    ...Object.entries(row).flatMap(([name, value]) =>
      [value].flat().flatMap((one) => [`--${flagOf(name)}`, String(one)]),
    ),
    '--limit',
    '1000',
  )

beforeAll(async () => {
  const events = join(folder.path, 'events.jsonl')
  writeFileSync(
    events,
    clinic()
      .map((interaction) => `${encode(interaction)}\n`)
      .join(''),
  )
  const catalogue = join(folder.path, 'touchpoints.yaml')
  writeFileSync(
    catalogue,
    `
defaults: { patience: 7d }
touchpoints:
  - { id: ad_view, step: 1 }
  - { id: site_visit, step: 2 }
  - { id: call_wait, step: 3, group: phone }
  - { id: call_answer, step: 4, group: phone }
  - { id: visit, step: 5, outcome: bought }
`,
  )
  server = await startEmbeddedServer({ directory: join(folder.path, 'server'), what: 'a test' })
  const imported = await run('import', events, '--catalogue', catalogue, '--clock', 'data')
  expect(imported).toMatchObject({ status: 0 })
})
afterAll(async () => {
  await server?.stop()
  folder.remove()
})

/** 240 patients over twelve weeks: two in three call, every third of these hangs up, every fourth buys, some come again. */
function clinic(): Interaction[] {
  const all: Interaction[] = []
  const start = Date.parse('2024-03-01T08:00:00Z')
  for (let n = 0; n < 240; n++) {
    let at = start + n * 8 * 3_600_000
    const customer = `patient-${n}`
    const channel = ['search', 'social', 'letter'][n % 3] ?? ''
    const met = (touchpoint: string, more: Partial<Interaction> = {}) => {
      at += 600_000
      all.push({ id: `${n}-${all.length}`, customer, touchpoint, at, ...more } as Interaction)
    }
    met('ad_view', { channel, cost: 1.5, currency: 'EUR' })
    if (n % 5 !== 0) met('site_visit')
    if (n % 3 !== 2) {
      met('call_wait', n % 9 < 3 ? { waitMs: 200_000, outcome: 'abandoned' } : { waitMs: 9_000 })
      if (n % 9 >= 3) met('call_answer', { agent: `agent-${n % 4}` })
    }
    if (n % 4 === 1) met('visit', { value: 100 + n, currency: 'EUR' })
    if (n % 12 === 1) {
      at += 9 * 86_400_000
      met('site_visit')
      if (n % 24 === 1) met('visit', { value: 50, currency: 'EUR' })
    }
  }
  return all
}

describe('every question', () => {
  const needed: Readonly<Record<string, string[]>> = {
    funnel: ['--steps', 'ad_view > call_wait > visit:bought'],
  }

  it.each(QUESTIONS.map(({ name }) => name))('%s is answered as text, JSON and NDJSON', async (name) => {
    const options = needed[name] ?? []
    const text = await say(name, ...options)
    expect(text).toMatchObject({ status: 0, stderr: '' })
    expect(text.stdout).not.toMatch(/NaN|undefined|\[object/)
    expect(Math.max(...text.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
    const report = await ask<{ asOf: string }>(name, ...options)
    expect(QUESTIONS.find((one) => one.name === name)?.shape.parse(report)).toEqual(report)
    expect(report.asOf).toMatch(/^2024-0/)
    const ndjson = await say(name, ...options, '--format', 'ndjson')
    const objects = ndjson.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as object)
    for (const one of objects) expect(Object.keys(one)).toEqual(Object.keys(objects[0] ?? {}))
  })

  it('agrees with the others', async () => {
    const selection = ['--from', '2024-03-05', '--to', '2024-05-10']
    const breakpoints = await ask<BreakpointsReport>('breakpoints', ...selection)
    const { chains, converted, broken, open, ignored } = breakpoints.totals
    expect(chains).toBeGreaterThan(200)
    const places = breakpoints.groups[0]?.breakpoints ?? []
    const reached = (touchpoint: string) => places.find((place) => place.touchpoint === touchpoint)?.reached

    const paths = await ask<PathsReport>('paths', ...selection)
    expect(paths.totals).toMatchObject({ chains, ends: { converted, open, ignored } })
    for (const node of paths.groups[0]?.nodes ?? []) {
      const place = places.find(({ touchpoint }) => touchpoint === node.touchpoint)
      expect(node).toMatchObject({ reached: place?.reached, ends: { broken: place?.broke, reasons: place?.reasons } })
    }

    const funnel = await ask<FunnelReport>('funnel', '--steps', 'call_wait > visit', ...selection)
    expect(funnel.groups[0]?.steps[0]?.reached).toBe(reached('call_wait'))

    const conversion = await ask<ConversionReport>('conversion', ...selection)
    expect(conversion.totals).toMatchObject({ chains, converted, broken, open, ignored })
    for (const row of conversion.groups[0]?.rows ?? []) {
      expect(row.with.chains).toBe(reached(row.item ?? ''))
      expect(row.with.converted + row.without.converted).toBe(converted)
    }

    for (const [name, total] of [
      ['attribution', converted],
      ['blame', broken],
    ] as const) {
      const { groups } = await ask<AttributionReport>(name, ...selection, '--of', 'channel')
      const measure = groups[0]?.measures[0]
      expect(measure?.total).toBe(total)
      for (const model of ['first', 'last', 'linear', 'position', 'decay', 'markov', 'shapley'] as const) {
        const sum = measure?.rows.reduce((all, { credits }) => all + Math.round((credits[model] ?? 0) * 1e6), 0)
        expect(sum, `${name} by ${model}`).toBe(total * 1e6)
      }
    }
  })

  it('leads from its numbers to the chains, and from these to the customer', async () => {
    const paths = await ask<PathsReport>('paths', '--where', 'channel=social')
    for (const link of paths.groups[0]?.links.slice(0, 3) ?? []) {
      expect((await chainsBehind(link.chains)).chains).toHaveLength(link.inChains)
    }
    const conversion = await ask<ConversionReport>('conversion', '--of', 'channel')
    for (const row of conversion.groups[0]?.rows ?? []) {
      expect((await chainsBehind(row.chains)).chains).toHaveLength(row.with.chains)
    }
    const blame = await ask<AttributionReport>('blame', '--by', 'channel', '--model', 'last')
    const row = blame.groups[0]?.measures[0]?.rows[0]
    const listed = await chainsBehind(row?.chains ?? {})
    expect(listed.chains).toHaveLength(row?.touched ?? -1)
    const funnel = ['--steps', 'ad_view > call_wait > call_answer']
    const { groups } = await ask<FunnelReport>('funnel', ...funnel)
    const lost = await ask<FunnelReport>('funnel', ...funnel, '--chains', '2:lost', '--limit', '1000')
    expect(lost.list?.chains).toHaveLength(groups[0]?.steps[1]?.lost ?? -1)
    const customer = await run('chain', listed.chains[0]?.customer ?? '')
    expect(customer.stdout).toMatch(/^Customer patient-\d+ · /)
  })

  it('about a period stands beside another one', async () => {
    const text = await say('conversion', '--from', '2024-04-01', '--to', '2024-05-01', '--compare', 'previous')
    expect(text.stdout).toContain('Compared with 2024-03-02 to 2024-04-01')
  })
})

describe('a question with a mistake in it is refused with what there is', () => {
  const cases: [question: string[], message: RegExp][] = [
    [['funnel'], /^--steps '': expected touchpoints with > between them/],
    [
      ['funnel', '--steps', 'ad_view > vist'],
      /^--steps vist: expected visit, or another of the touchpoints there are: ad_view/,
    ],
    [['paths', '--after', 'nowhere'], /^--after nowhere: expected one of the touchpoints there are: ad_view/],
    [['conversion', '--of', 'colour'], /^--of colour: expected one of touchpoint, channel, campaign$/m],
    [['attribution', '--half-life', '7'], /^--half-life 7: expected a duration/],
    [['attribution', '--by', 'colour'], /^--by colour: expected one of touchpoint, channel/],
    [['breakpoints', '--compare', 'previous'], /^--compare previous: expected "from" and "to" with it/],
    [['breakpoints', '--format', 'xml'], /^--format xml: expected one of text, json, csv, ndjson$/m],
    [['chains', '--touch', 'colour=red'], /^--touch colour=red: expected KIND=NAME, where KIND is one of touchpoint/],
  ]
  it.each(cases)('%j', async (question, message) => {
    const [name = '', ...options] = question
    const outcome = await say(name, ...options)
    expect(outcome).toMatchObject({ status: 2, stdout: '' })
    expect(outcome.stderr).toMatch(message)
  })

  it('and a value that no chain begins with is a hint', async () => {
    const outcome = await say('conversion', '--where', 'channel=serach')
    expect(outcome).toMatchObject({ status: 0 })
    expect(outcome.stderr).toMatch(/^No chain begins with channel=serach\. Values of channel: .*search/)
  })
})
