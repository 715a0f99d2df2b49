import { describe, expect, it } from 'vitest'
import { addSilence, expireSilence, matcherText, parseMatcher, SilenceError, silencesIn } from '../src/notify/index.ts'
import { Silences } from '../src/notify/silences.ts'
import { eventually, running } from './receivers/running.ts'
import { alert, NIGHT, TestMemory } from './receivers/samples.ts'
import { TestReceiver } from './receivers/server.ts'

const HOUR = 3_600_000
const labels = { alertname: 'waiting-too-long', queue: 'support', customer: 'anna' }

describe('matchers', () => {
  it.each([
    ['queue=support', true],
    ['queue="support"', true],
    ['queue=sup', false],
    ['queue!=support', false],
    ['queue!=sales', true],
    ['queue=~sup.*', true],
    ['queue=~sup', false],
    ['queue=~"support|sales"', true],
    ['queue!~sup.*', false],
    ['team=', true],
    ['team!=', false],
    ['team!=blue', true],
  ])('%s', async (text, expected) => {
    const memory = new TestMemory()
    const matchers = [parseMatcher(text), parseMatcher('customer=anna')]
    await addSilence(memory, { matchers, from: NIGHT, until: NIGHT + HOUR, by: 'kim', why: 'known' }, NIGHT)
    const silences = new Silences()
    for (const record of memory.records) silences.recall(record)
    expect(silences.cover(labels, NIGHT)).toBe(expected)
    expect(silences.cover(labels, NIGHT - 1)).toBe(false)
    expect(silences.cover(labels, NIGHT + HOUR)).toBe(false)
  })

  it.each([
    ['support', 'got "support", expected label=value, label!=value, label=~regex or label!~regex'],
    ['que ue=a', 'expected label=value'],
    ['queue=~(', 'expected a regular expression'],
  ])('refuses %s', (text, message) => {
    expect(() => parseMatcher(text)).toThrow(message)
  })

  it('with an expression that takes for ever elsewhere', async () => {
    const memory = new TestMemory()
    const matchers = [parseMatcher('queue=~(a+)+b')]
    await addSilence(memory, { matchers, from: NIGHT, until: NIGHT + HOUR, by: 'kim', why: 'known' }, NIGHT)
    const silences = new Silences()
    for (const record of memory.records) silences.recall(record)
    expect(silences.cover({ queue: 'a'.repeat(5_000) }, NIGHT)).toBe(false)
    expect(silences.cover({ queue: `${'a'.repeat(5_000)}b` }, NIGHT)).toBe(true)
    expect(() => parseMatcher('queue=~(?=a)a')).toThrow('expected a regular expression')
  })

  it('are written as they are read', () => {
    expect(parseMatcher(matcherText(parseMatcher('queue =~ a b')))).toEqual({
      label: 'queue',
      operator: '=~',
      value: 'a b',
    })
  })
})

describe('a silence', () => {
  const wish = { matchers: [parseMatcher('queue=support')], from: NIGHT, until: NIGHT + HOUR, by: 'kim', why: 'known' }

  it.each([
    ['for every alert', { matchers: [parseMatcher('queue=~.*')] }, 'it would silence every alert'],
    ['without a label', { matchers: [] }, 'it would silence every alert'],
    ['that ends first', { until: NIGHT - 1 }, 'it ends before it begins'],
    ['that is over', { from: NIGHT - HOUR, until: NIGHT }, 'it would be over already'],
    ['by nobody', { by: ' ' }, 'expected who makes it'],
    ['for no reason', { why: '' }, 'expected why'],
  ])('%s is refused', async (_, over, message) => {
    await expect(addSilence(new TestMemory(), { ...wish, ...over }, NIGHT)).rejects.toThrow(message)
  })

  it('is listed, and ended once', async () => {
    const memory = new TestMemory()
    const silence = await addSilence(memory, wish, NIGHT)
    expect(silencesIn(await memory.load())).toEqual([silence])
    expect((await expireSilence(memory, silence.id, NIGHT + 5)).until).toBe(NIGHT + 5)
    expect((await expireSilence(memory, silence.id, NIGHT + 9)).until).toBe(NIGHT + 5)
    expect(silencesIn(await memory.load())).toEqual([{ ...silence, until: NIGHT + 5 }])
    await expect(expireSilence(memory, 'nobody', NIGHT)).rejects.toThrow(SilenceError)
  })

  it('is no reason to stop where a record is none', () => {
    const records = [
      null,
      7,
      'x',
      {},
      { id: 'a', matchers: [{ label: 'a', operator: '=~', value: '(' }], from: 0, until: 1, by: 'a', why: 'b' },
    ]
    expect(silencesIn(records.map((value) => ({ key: 'silence/a', value })))).toEqual([])
  })

  it('made while the service runs keeps alerts quiet until somebody ends it', async () => {
    const hook = await TestReceiver.start()
    const { notifier, memory } = await running({ receivers: [{ name: 'hook', webhook: { url: hook.url } }] })
    const now = Date.now()
    const silence = await addSilence(memory, { ...wish, from: now, until: now + HOUR }, now)
    notifier.recall(memory.records.splice(0))
    notifier.tell([alert({ startsAt: now })])
    const sales = alert({ id: 'ben', startsAt: now, labels: { alertname: 'a', queue: 'sales' } })
    notifier.tell([sales])
    await hook.until(1)
    await memory.remember([{ key: `silence/${silence.id}`, value: silence }])
    await expireSilence(memory, silence.id, Date.now())
    expect(hook.bodies<{ groupLabels: { queue: string } }>().map(({ groupLabels }) => groupLabels.queue)).toEqual([
      'sales',
    ])
    notifier.recall(memory.records)
    await eventually(() => hook.received.length === 2)
    expect(hook.bodies()[1]).toMatchObject({ groupLabels: { queue: 'support' }, status: 'firing' })
    await hook.stop()
  })
})
