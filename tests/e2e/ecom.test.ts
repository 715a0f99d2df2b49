import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseCatalogue } from '../../packages/chains/src/index.ts'
import { oracle } from '../../packages/chains/src/oracle.ts'
import {
  type Interaction,
  type Person,
  parseMapping,
  personKey,
  personOf,
} from '../../packages/interactions/src/index.ts'
import { flagOf } from '../../packages/reports/src/index.ts'
import type { BreakpointsReport, ChainsReport, WeakLinksReport } from '../../packages/reports/src/shapes.ts'
import { naiveBreakpoints } from '../../packages/reports/test/naive.ts'
import { readInteractions } from '../../services/cli/src/import/interactions.ts'
import { temporaryFolder, weaklinkJson } from '../support/weaklink.ts'

// A real export of a shop, 31,106 events of 600 customers: what the whole product says of it, against the naive reading.

const SHOP = fileURLToPath(new URL('../../../shared/data/ecom.csv.gz', import.meta.url))
const MAPPING = `
time: { format: "yyyy-MM-dd HH:mm:ss", zone: UTC }
customer: "{user_id}"
touchpoint: "{event}"
at: "{timestamp}"
episode: "{session_id}"
channel: "{acquisition_channel}"
props: [platform, user_cohort, user_lifecycle]
`
const catalogueText = (patience: string) => `
defaults: { patience: ${patience} }
touchpoints:
  - { id: home, group: site, step: 1 }
  - { id: catalog, group: site, step: 2 }
  - { id: product_view, group: site, step: 3 }
  - { id: cart, group: site, step: 4 }
  - { id: shipping_details, group: site, step: 5 }
  - { id: payment_details, group: site, step: 6 }
  - { id: payment_error, group: site, reaction: negative }
  - { id: error_page, group: site, reaction: negative }
  - { id: purchase, group: site, step: 7, outcome: bought, epilogue: 30m }
`
interface Summary {
  readonly read: number
  readonly accepted: number
  readonly duplicates: number
  readonly conflicts: number
  readonly rejected: number
}

const folder = temporaryFolder()
const mapping = join(folder.path, 'mapping.yaml')
const shuffled = join(folder.path, 'shuffled.csv.gz')
let people: { person: Person; interactions: Interaction[] }[] = []
let newestAt = 0

beforeAll(async () => {
  if (!existsSync(SHOP)) return
  writeFileSync(mapping, MAPPING)
  for (const patience of ['1d', '30d']) writeFileSync(join(folder.path, `${patience}.yaml`), catalogueText(patience))
  const [header, ...lines] = gunzipSync(readFileSync(SHOP)).toString('utf8').trimEnd().split('\n')
  // A fixed shuffle: every line goes where multiplying its number by a unit of the ring puts it.
  const order = lines.map((_, k) => lines[(k * 7919) % lines.length])
  expect(new Set(order).size).toBe(new Set(lines).size)
  writeFileSync(shuffled, gzipSync(`${[header, ...order].join('\n')}\n`))

  const known = new Map<string, { person: Person; interactions: Interaction[] }>()
  for await (const batch of readInteractions(SHOP, {
    mapping: parseMapping(MAPPING, 'mapping.yaml'),
    now: Date.now(),
  })) {
    for (const line of batch.lines) {
      if (!line.ok) throw new Error(`line ${line.line} was rejected`)
      const person = personOf(line.interaction)
      const one = known.get(personKey(person)) ?? { person, interactions: [] }
      one.interactions.push(line.interaction)
      known.set(personKey(person), one)
      newestAt = Math.max(newestAt, line.interaction.at)
    }
  }
  people = [...known.values()]
})
afterAll(() => folder.remove())

// The project does not ship the file; where it is not there, this is left out. In CI nothing may be.
describe.skipIf(!existsSync(SHOP)).each(['1d', '30d'])('the shop, with a patience of %s', (patience) => {
  const catalogue = join(folder.path, `${patience}.yaml`)
  const importInto = (dataDir: string, file: string) =>
    weaklinkJson<Summary>([
      'import',
      file,
      '--mapping',
      mapping,
      '--catalogue',
      catalogue,
      '--clock',
      'data',
      '--data-dir',
      dataDir,
    ])
  const report = (dataDir: string, ...options: string[]) =>
    weaklinkJson<BreakpointsReport>(['report', 'breakpoints', ...options, '--data-dir', dataDir])
  const dataDir = join(folder.path, patience)
  let first: BreakpointsReport

  it('every event is taken in, and the report equals the naive reading in every number', async () => {
    expect(await importInto(dataDir, SHOP)).toMatchObject({
      read: 31_106,
      accepted: 31_106,
      duplicates: 0,
      conflicts: 0,
      rejected: 0,
    })
    first = await report(dataDir)
    const naive = parseCatalogue(catalogueText(patience), 'touchpoints.yaml')
    const chains = people.map(({ person, interactions }) => ({
      person,
      chains: oracle(person, interactions, naive, newestAt),
    }))
    expect(first).toEqual(naiveBreakpoints(chains, {}, newestAt))
    expect(first.totals.converted).toBe(470)
    for (const [options, flags] of [
      [{ by: ['channel', 'props.platform'] }, ['--by', 'channel,props.platform']],
      [
        { where: ['props.platform=mobile'], from: '2024-04-09', to: '2024-05-09' },
        ['--where', 'props.platform=mobile', '--from', '2024-04-09', '--to', '2024-05-09'],
      ],
      [{ at: 'furthest', by: ['returning'] }, ['--at', 'furthest', '--by', 'returning']],
      [
        { within: 'site', date: 'end', from: '2024-03-01' },
        ['--within', 'site', '--date', 'end', '--from', '2024-03-01'],
      ],
    ] as const) {
      expect(await report(dataDir, ...flags)).toEqual(
        naiveBreakpoints(chains, { ...options, catalogue: naive }, newestAt),
      )
    }
  })

  it('imported again, and with its lines shuffled, it changes nothing', async () => {
    expect(await importInto(dataDir, SHOP)).toMatchObject({
      read: 31_106,
      accepted: 0,
      duplicates: 31_106,
      conflicts: 0,
      rejected: 0,
    })
    expect(await report(dataDir)).toEqual(first)
    expect(await importInto(dataDir, shuffled)).toMatchObject({ accepted: 0, duplicates: 31_106, conflicts: 0 })
    expect(await report(dataDir)).toEqual(first)
  })

  it('the shuffled file alone gives the same report', async () => {
    const other = join(folder.path, `${patience}-shuffled`)
    expect(await importInto(other, shuffled)).toMatchObject({ accepted: 31_106, duplicates: 0 })
    expect(await report(other)).toEqual(first)
  })
})

describe.skipIf(!existsSync(SHOP))('the shop, without the events that would give it away', () => {
  const dataDir = join(folder.path, 'unaware')
  const ask = <T>(...question: string[]) => weaklinkJson<T>(['report', ...question, '--data-dir', dataDir])

  it('the two incidents are found: where, for whom, when, and which chains', async () => {
    const telling = /,(checkout_bug|payment_error|error_page),/
    const lines = gunzipSync(readFileSync(SHOP)).toString('utf8').split('\n')
    const file = join(folder.path, 'unaware.csv')
    writeFileSync(file, lines.filter((line) => !telling.test(line)).join('\n'))
    const { accepted } = await weaklinkJson<Summary>([
      ...['import', file, '--mapping', mapping, '--catalogue', join(folder.path, '1d.yaml'), '--clock', 'data'],
      ...['--data-dir', dataDir],
    ])
    expect(accepted).toBeLessThan(31_106)
    const { findings } = await ask<WeakLinksReport>('weak-links')
    const [payment, checkout] = findings
    expect(payment).toMatchObject({ touchpoint: 'payment_details', segment: {} })
    expect(checkout).toMatchObject({ touchpoint: 'shipping_details', segment: { 'props.platform': 'mobile' } })
    const daysOff = (found: string | undefined, planted: string) =>
      Math.abs(Date.parse(found ?? '') - Date.parse(planted)) / 86_400_000
    // The last day is in the period; `to` is the day after it.
    expect(daysOff(payment?.from, '2024-05-19')).toBeLessThanOrEqual(3)
    expect(daysOff(payment?.to, '2024-06-08')).toBeLessThanOrEqual(3)
    expect(daysOff(checkout?.from, '2024-04-09')).toBeLessThanOrEqual(3)
    expect(daysOff(checkout?.to, '2024-05-10')).toBeLessThanOrEqual(3)
    for (const finding of findings.slice(0, 2)) {
      const options = Object.entries(finding.chains).flatMap(([name, value]) =>
        [value ?? []].flat().flatMap((one) => [`--${flagOf(name)}`, one]),
      )
      const { chains } = await ask<ChainsReport>('chains', ...options, '--limit', '1000')
      expect(chains).toHaveLength(finding.lost)
    }
  })
})
