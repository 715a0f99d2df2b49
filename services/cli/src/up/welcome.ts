import { join, relative } from 'node:path'
import { KEY_VARIABLES, KEYS_FILE } from '@weaklink/runtime'
import type { Style } from '../terminal.ts'
import { runsWhole } from './plan.ts'
import type { Running } from './start.ts'

/** What a person needs to know of a service that has just started. The keys stand in it only where they are new. */
export function welcome(running: Running, style: Pick<Style, 'bold' | 'yellow'>): string {
  const { url, services } = running
  const isWhole = runsWhole(services)
  return [
    style.bold(`Weaklink is up${isWhole ? '' : `, ${services.join(' and ')}`}: ${url}`),
    ...(isWhole ? [`  what it takes and answers: ${url}/docs`] : [`  health: ${url}/readyz, ${url}/metrics`]),
    ...placesOf(running).map((line) => `  ${line}`),
    '',
    ...keysOf(running, style),
    '',
    ...(isWhole ? [...firstSteps(running), ''] : []),
    `Ctrl-C stops it; from elsewhere: kill ${process.pid}`,
  ].join('\n')
}

function placesOf({ directory, log, clickhouse, alerts }: Running): string[] {
  const kafka = log === 'embedded' ? [] : [`log: Kafka at ${log}`]
  const rows = clickhouse === null || clickhouse === 'embedded' ? [] : [`rows: ClickHouse at ${clickhouse}`]
  const rules = alerts === null ? [] : [`alerts: by the rules of ${alerts}`]
  return [...(directory === null ? [] : [`data: ${directory}`]), ...kafka, ...rows, ...rules]
}

function keysOf({ directory, keys, minted }: Running, { yellow }: Pick<Style, 'yellow'>): string[] {
  if (directory === null || keys === null) return ['The keys are those of the environment.']
  const file = join(directory, KEYS_FILE)
  if (!minted) return [`The keys stand in ${file}.`]
  return [
    yellow('The keys, shown this once:'),
    `  to send (write key):  ${keys.write}`,
    `  to ask (admin key):   ${keys.admin}`,
    `They are kept in ${file}.`,
  ]
}

function firstSteps({ url, directory, keys, minted }: Running): string[] {
  const isDefault = directory === null || directory === join(process.cwd(), '.weaklink')
  const options = isDefault ? '' : ` --data-dir ${quoted(shorter(directory))}`
  const first = JSON.stringify({ customer: 'anna', touchpoint: 'site_visit', at: new Date().toISOString() })
  return [
    'Send a first interaction:',
    `  curl -s ${url}/v1/interactions -H "Authorization: Bearer ${writeKey()}" -H "Content-Type: application/json" -d ${quoted(first)}`,
    `  npx weaklink send --touchpoint site_visit --customer anna${options}`,
    'Watch what comes, and see what became of it:',
    `  npx weaklink tail${options}`,
    `  npx weaklink chain anna${options}`,
    `  npx weaklink report breakpoints${options}`,
  ]

  /** As the shell gets it. */
  function writeKey(): string {
    if (directory === null || keys === null) return `$${KEY_VARIABLES.write}`
    return minted ? keys.write : `$(node -p ${quoted(`require(${JSON.stringify(join(directory, KEYS_FILE))}).write`)})`
  }
}

/** The same for programs. */
export function welcomeJson({ services, url, directory, keys, minted, log, clickhouse }: Running): object {
  return {
    services,
    url,
    docs: `${url}/docs`,
    pid: process.pid,
    dataDirectory: directory,
    log,
    clickhouse,
    keysFile: directory === null ? null : join(directory, KEYS_FILE),
    ...(minted ? { keys } : {}),
  }
}

function shorter(directory: string): string {
  const from = relative(process.cwd(), directory)
  return from === '' || from.startsWith('..') ? directory : from
}

/** As a shell takes it for one word. */
function quoted(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
