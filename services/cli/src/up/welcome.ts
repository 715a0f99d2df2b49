import { join, relative } from 'node:path'
import { KEYS_FILE } from '@weaklink/runtime'
import type { Style } from '../terminal.ts'
import type { Running } from './start.ts'

/** What a person needs to know of a service that has just started. The keys stand in it only where they are new. */
export function welcome(running: Running, { bold, yellow }: Pick<Style, 'bold' | 'yellow'>): string {
  const { url, directory, keys, minted } = running
  const file = join(directory, KEYS_FILE)
  const options = directory === join(process.cwd(), '.weaklink') ? '' : ` --data-dir ${quoted(shorter(directory))}`
  const key = minted ? keys.write : `$(node -p ${quoted(`require(${JSON.stringify(file)}).write`)})`
  const first = JSON.stringify({ customer: 'anna', touchpoint: 'site_visit', at: new Date().toISOString() })
  return [
    bold(`Weaklink is up: ${url}`),
    `  what it takes and answers: ${url}/docs`,
    `  data: ${directory}${running.clickhouse === 'embedded' ? '' : `, rows in ${running.clickhouse}`}`,
    '',
    ...(minted
      ? [
          yellow('The keys, shown this once:'),
          `  to send (write key):  ${keys.write}`,
          `  to ask (admin key):   ${keys.admin}`,
          `They are kept in ${file}.`,
        ]
      : [`The keys stand in ${file}.`]),
    '',
    'Send a first interaction:',
    `  curl -s ${url}/v1/interactions -H "Authorization: Bearer ${key}" -H "Content-Type: application/json" -d ${quoted(first)}`,
    `  npx weaklink send --touchpoint site_visit --customer anna${options}`,
    'Watch what comes, and see what became of it:',
    `  npx weaklink tail${options}`,
    `  npx weaklink chain anna${options}`,
    `  npx weaklink report breakpoints${options}`,
    '',
    `Ctrl-C stops it; from elsewhere: kill ${process.pid}`,
  ].join('\n')
}

/** The same for programs. */
export function welcomeJson({ url, directory, keys, minted, clickhouse }: Running): object {
  return {
    url,
    docs: `${url}/docs`,
    pid: process.pid,
    dataDirectory: directory,
    clickhouse,
    keysFile: join(directory, KEYS_FILE),
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
