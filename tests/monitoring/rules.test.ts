import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../support/debian.ts'
import { MONITORING_MD, PROMETHEUS_FOLDER, RULE_TEST_FILES, RULE_TESTS, RULES, RULES_FILE } from './files.ts'

const run = promisify(execFile)
const alerts = RULES.filter((rule) => rule.alert !== undefined)

describe('weaklink.rules.yml', () => {
  it.each(alerts.map((rule) => [rule.alert ?? '', rule] as const))(
    '%s: says how bad it is, what is so, and where it stands what to do',
    (name, { labels, annotations }) => {
      expect(['page', 'warning']).toContain(labels?.severity)
      expect(Object.keys(annotations ?? {})).toEqual(['summary', 'description', 'runbook_url'])
      expect(annotations?.runbook_url).toBe(`docs/monitoring.md#${name.toLowerCase()}`)
      expect(MONITORING_MD.split('\n')).toContain(`### ${name}`)
    },
  )

  it('docs/monitoring.md has no section for an alert that there is not', () => {
    const sections = [...MONITORING_MD.matchAll(/^### (Weaklink\w+)$/gm)].map(([, name]) => name)
    expect(sections.sort()).toEqual(alerts.map(({ alert }) => alert).sort())
  })

  it('every alert has a test in which it fires, and after that one in which it is over', () => {
    const untested = alerts.filter(
      ({ alert }) =>
        !RULE_TESTS.some(({ alert_rule_test: steps = [] }) => {
          const fires = steps.map(({ alertname, exp_alerts = [] }) =>
            alertname === alert ? exp_alerts.length > 0 : null,
          )
          const own = fires.filter((one) => one !== null)
          return own[0] === false && own.includes(true) && own.at(-1) === false
        }),
    )
    expect(untested.map(({ alert }) => alert)).toEqual([])
  })
})

await describeWithPrograms('promtool', 'prometheus', ['promtool'], ({ promtool }) => {
  it('checks the configuration of docker-compose.yml and the rules', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'weaklink-promtool-'))
    try {
      const text = await readFile(join(PROMETHEUS_FOLDER, 'prometheus.yml'), 'utf8')
      // It looks whether the file of the key is there, which only is in the container.
      const key = join(folder, 'metrics-key')
      expect(text).toContain('/run/secrets/metrics-key')
      await writeFile(key, 'a_read_key')
      await writeFile(join(folder, 'prometheus.yml'), text.replace('/run/secrets/metrics-key', key))
      await writeFile(join(folder, 'weaklink.rules.yml'), await readFile(RULES_FILE))
      const { stdout } = await run(promtool, ['check', 'config', '--lint-fatal', join(folder, 'prometheus.yml')])
      expect(stdout).toContain(`${RULES.length} rules found`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it.each(RULE_TEST_FILES)('%s', async (name) => {
    const { stdout } = await run(promtool, ['test', 'rules', name], { cwd: PROMETHEUS_FOLDER })
    expect(stdout).toContain('SUCCESS')
  })
})
