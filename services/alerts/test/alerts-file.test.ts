import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { AlertsFileError, alertsJsonSchema, parseAlerts, ruleSentence } from '../src/index.ts'
import { rulesIn } from './course.ts'

/** The example of the docs. */
const docs = readFileSync(new URL('../../../docs/alerts.md', import.meta.url), 'utf8')
const EXAMPLE = /```yaml\n(rules:\n[\s\S]*?)```/.exec(docs)?.[1] ?? ''
const HOOK = 'http://127.0.0.1:9/hook'

function problemsOf(text: string): string[] {
  try {
    parseAlerts(text, 'a.yaml', {})
  } catch (error) {
    if (error instanceof AlertsFileError) return error.message.split('\n')
    throw error
  }
  throw new Error('it was taken')
}

describe('alerts.yaml', () => {
  it('of the docs is valid, and has a rule of each kind', () => {
    const { rules, notify } = parseAlerts(EXAMPLE, 'alerts.yaml', { OPS_HOOK: HOOK })
    expect(rules.map(({ kind }) => kind).sort()).toEqual(
      ['waiting', 'serviceLevel', 'abandonRate', 'averageWait', 'queueLength', 'breakRate', 'absence'].sort(),
    )
    expect(notify?.receivers.length).toBeGreaterThan(0)
  })

  it('is described by the JSON Schema in the docs', () => {
    const path = new URL('../../../docs/schemas/alerts.schema.json', import.meta.url)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(alertsJsonSchema())))
    const ajv = new Ajv2020({ strict: false })
    formats.default(ajv)
    const validate = ajv.compile(alertsJsonSchema())
    expect(validate(parse(EXAMPLE)) ? [] : validate.errors).toEqual([])
    expect(validate({ rules: [{ name: 'a', waitng: {} }] })).toBe(false)
    expect(validate({ rules: [{ name: 'a' }] })).toBe(false)
    expect(validate({ rules: [{ name: 'a', queueLength: { above: 1 }, waiting: { longerThan: '1m' } }] })).toBe(false)
  })

  const rule = (text: string) => `rules:\n  - { name: r, ${text} }\n`
  const KINDS = 'waiting, serviceLevel, abandonRate, averageWait, queueLength, breakRate, absence'
  for (const [given, text, then] of [
    ['nothing', '', 'a.yaml:1:1: got nothing, expected a map with rules and, optionally, notify'],
    ['no YAML', 'rules: [', /^a\.yaml:1:9: got "rules: \[", expected YAML /],
    ['no list', 'rules: {}', 'a.yaml:1:8 rules: got a map, expected a list of rules'],
    [
      'an unknown key',
      `${rule('waiting: { longerThan: 1m }')}rule: []`,
      'a.yaml:3:1 rule: got the unknown key "rule", expected "rules" (the nearest known one)',
    ],
    [
      'an unknown key within',
      rule('waiting: { longerthan: 1m, longerThan: 1m }'),
      'a.yaml:2:27 rules[0].waiting.longerthan: got the unknown key "longerthan", expected "longerThan" (the nearest known one)',
    ],
    ['no condition', rule('severity: page'), `a.yaml:2:5 rules[0]: got a map, expected exactly one of ${KINDS}`],
    [
      'two conditions',
      rule('waiting: { longerThan: 1m }, queueLength: { above: 1 }'),
      `a.yaml:2:58 rules[0].queueLength: got a map, expected exactly one of ${KINDS}`,
    ],
    [
      'a bad duration',
      rule('waiting: { longerThan: 2 min }'),
      'a.yaml:2:39 rules[0].waiting.longerThan: got "2 min", expected a duration like 500ms 20s 3m 24h 7d',
    ],
    [
      'a wait nobody waits',
      rule('waiting: { longerThan: 2h }'),
      'a.yaml:2:39 rules[0].waiting.longerThan: got "2h", expected a duration from 1ms to 59m',
    ],
    [
      'a bad percentage',
      rule('abandonRate: { above: 0.1, over: 30m }'),
      'a.yaml:2:38 rules[0].abandonRate.above: got 0.1, expected a percentage as 80%',
    ],
    [
      'more than all',
      rule('abandonRate: { above: 110%, over: 30m }'),
      'a.yaml:2:38 rules[0].abandonRate.above: got "110%", expected a percentage as 80%',
    ],
    [
      'a window that is too long',
      rule('abandonRate: { above: 10%, over: 2d }'),
      'a.yaml:2:49 rules[0].abandonRate.over: got "2d", expected a duration from 10s to 1d',
    ],
    [
      'recover on the wrong side',
      rule('abandonRate: { above: 10%, over: 1h }, recover: 20%'),
      'a.yaml:2:64 rules[0].recover: got "20%", expected at most what "above" says',
    ],
    [
      'recover of another unit',
      rule('averageWait: { above: 1m, over: 1h }, recover: 20%'),
      'a.yaml:2:63 rules[0].recover: got "20%", expected a duration like 500ms 20s 3m 24h 7d',
    ],
    [
      'for of a wait',
      rule('waiting: { longerThan: 1m }, for: 1m'),
      'a.yaml:2:50 rules[0].for: got "1m", expected no "for" with waiting: longerThan says it',
    ],
    [
      'an unknown placeholder',
      rule('queueLength: { above: 1 }, summary: "{who}"'),
      'a.yaml:2:52 rules[0].summary: got "{who}", expected placeholders of queueLength: {rule} {queue} {value} {bound}, not {who}',
    ],
    [
      'a label that is ours',
      rule('queueLength: { above: 1 }, labels: { queue: x }'),
      'a.yaml:2:60 rules[0].labels.queue: got "x", expected a label other than alertname, severity, queue, touchpoint, customer, episode',
    ],
    [
      'a script as runbook',
      rule('queueLength: { above: 1 }, runbook: "javascript:x"'),
      'a.yaml:2:52 rules[0].runbook: got "javascript:x", expected an address that begins with https:// or http://',
    ],
    [
      'bad days',
      rule('queueLength: { above: 1 }, quiet: [{ days: mon-fry }]'),
      'a.yaml:2:59 rules[0].quiet[0].days: got "mon-fry", expected days as mon-fri, sat or mon,wed,fri (mon tue wed thu fri sat sun)',
    ],
    [
      'no such place',
      rule('queueLength: { above: 1 }, quiet: [{ zone: Mars/Base }]'),
      'a.yaml:2:59 rules[0].quiet[0].zone: got "Mars/Base", expected a time zone as Europe/Berlin or UTC',
    ],
    [
      'hours of no length',
      rule('queueLength: { above: 1 }, quiet: [{ from: "09:00", to: "09:00" }]'),
      'a.yaml:2:72 rules[0].quiet[0].to: got "09:00", expected hours that end at another time than they begin',
    ],
    [
      'no touchpoint',
      rule('absence: { touchpoint: "A b", for: 1h }'),
      'a.yaml:2:39 rules[0].absence.touchpoint: got "A b", expected the id of a touchpoint',
    ],
    [
      'a name twice',
      'rules:\n  - { name: r, queueLength: { above: 1 } }\n  - { name: r, queueLength: { above: 2 } }',
      'a.yaml:3:13 rules[1].name: got "r", expected a name of its own (rule 1 has it already)',
    ],
    [
      'a variable that is missing',
      `${rule('queueLength: { above: 1 }')}notify: { receivers: [{ name: a, webhook: { url: "\${NO_HOOK}" } }] }`,
      /^a\.yaml:3:50 notify\.receivers\[0\]\.webhook\.url: got \$\{NO_HOOK\}, expected the variable NO_HOOK in the environment$/,
    ],
  ] as const) {
    it(`with ${given}`, () => {
      const [problem, ...more] = problemsOf(text)
      if (typeof then === 'string') expect(problem).toBe(then)
      else expect(problem).toMatch(then)
      expect(more).toEqual([])
    })
  }

  it('tells all mistakes at once, in their order', () => {
    const text = 'rules:\n  - { name: a }\n  - { nam: b, queueLength: { above: 0 } }\n  - { name: c, waiting: {} }'
    expect(problemsOf(text).map((line) => line.split(' ')[0])).toEqual([
      'a.yaml:2:5',
      'a.yaml:3:5',
      'a.yaml:3:7',
      'a.yaml:3:37',
      'a.yaml:4:25',
    ])
  })

  it('never shows what may be secret', () => {
    const text = `${rule('queueLength: { above: 1 }')}notify: { receivers: [{ name: a, slack: { url: [hunter2] } }] }`
    expect(problemsOf(text).join()).not.toContain('hunter2')
    for (const slip of [
      'notify: { receivers: [{ name: a, slack: { url:https://hooks/hunter2: } }] }',
      'notify: { receivers: [{ name: a, pagerduty: { routingKey:hunter2: } }] }',
      'notify: { receivers: [{ name: a, https://hooks/hunter2: {} }] }',
      'notify: https://hooks/hunter2',
      'notify: { receivers: "https://hooks/hunter2" }',
    ]) {
      const said = problemsOf(`${rule('queueLength: { above: 1 }')}${slip}`)
      expect(said.length).toBeGreaterThan(0)
      expect(said.join()).not.toContain('hunter2')
    }
    const broken = 'rules: []\nnotify:\n  receivers: [{ name: a, slack: { url: "https://hooks/hunter2" } ]\n  : hunter2'
    expect(problemsOf(broken)[0]).toMatch(
      /^a\.yaml:\d+:\d+: got something else \(not shown\), expected YAML \([A-Z_]+\)$/,
    )
    expect(problemsOf(broken).join()).not.toContain('hunter2')
  })

  it('says in a sentence what each rule does', () => {
    const rules = rulesIn(`
rules:
  - { name: a, waiting: { longerThan: 2m, queue: [support, sales] }, quiet: [{ days: sat-sun }] }
  - { name: b, serviceLevel: { within: 20s, below: 80%, over: 15m, by: queue }, for: 2m, recover: 85% }
  - { name: c, queueLength: { above: 20 }, recover: 5 }
`)
    expect(rules.map(ruleSentence)).toEqual([
      'fires for each customer who has waited longer than 2 min in support or sales, and still waits; nobody is told sat-sun 00:00-24:00 UTC',
      'fires for each queue when fewer than 80 % of the calls were answered within 20 s, of the waits that ended in the last 15 min (at least 10), once that has been so for 2 min; it is over when it is 85 % again',
      'fires when more than 20 callers wait at the same time; it is over when at most 5 wait',
    ])
  })

  it('a change of what people read leaves the rule the same, a change of what it looks for does not', () => {
    const print = (text: string) => rulesIn(rule(text))[0]?.print
    const one = print('queueLength: { above: 1 }')
    expect(print('queueLength: { above: 1 }, summary: "long", runbook: "https://example.com"')).toBe(one)
    expect(print('queueLength: { above: 2 }')).not.toBe(one)
    expect(print('queueLength: { above: 1 }, severity: page')).not.toBe(one)
  })
})
