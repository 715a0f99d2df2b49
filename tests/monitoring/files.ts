import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const text = (name: string) => readFileSync(path(name), 'utf8')

export const PROMETHEUS_FOLDER = path('infra/prometheus')
export const RULES_FILE = path('infra/prometheus/weaklink.rules.yml')
export const MONITORING_MD = text('docs/monitoring.md')

export interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export const RULES: readonly Rule[] = (
  parse(text('infra/prometheus/weaklink.rules.yml')) as { groups: { rules: Rule[] }[] }
).groups.flatMap(({ rules }) => rules)

export interface RuleTest {
  readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts?: readonly object[] }[]
}

export const RULE_TEST_FILES = ['weaklink.rules.test.yml', 'weaklink.rules.days.test.yml'] as const
export const RULE_TESTS: readonly RuleTest[] = RULE_TEST_FILES.flatMap(
  (name) => (parse(text(`infra/prometheus/${name}`)) as { tests: RuleTest[] }).tests,
)

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}

export interface Dashboard {
  readonly uid: string
  readonly panels: readonly Panel[]
}

export const DASHBOARD = JSON.parse(text('infra/grafana/weaklink.json')) as Dashboard

/** What the panels ask, as Grafana asks it: with its variables filled in. */
export const PANEL_EXPRESSIONS: readonly (readonly [panel: string, expression: string])[] = DASHBOARD.panels.flatMap(
  ({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => [`${title}, ${refId}`, expr.replaceAll('$__rate_interval', '1m')] as const),
)

/** Names of metrics and recorded rules in an expression. */
export function namesIn(expression: string): readonly string[] {
  return [...new Set(expression.match(/\b(?:weaklink|process|nodejs)[_:][a-z0-9_:]+/g) ?? [])]
}
