import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Catalogue, parseCatalogue } from '@weaklink/chains'
import {
  applyMapping,
  checkMapping,
  type Interaction,
  type Mapping,
  parseMapping,
  validate,
} from '@weaklink/interactions'
import { chance } from '@weaklink/simulator'
import { afterAll } from 'vitest'
import { type Look, lookAt } from '../../src/init/look.ts'
import { readRows, sniff } from '../../src/input/index.ts'

/** Sample exports, and the way of a file through `init` and a dry run of the import. */

export const NOW = Date.UTC(2025, 0, 1)

const directory = mkdtempSync(join(tmpdir(), 'weaklink-init-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

export function temporary(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

export interface Tried {
  readonly look: Look
  readonly mapping: Mapping
  readonly catalogue: Catalogue
  readonly interactions: readonly Omit<Interaction, 'id'>[]
  /** Share of the mapped rows that the import would take. */
  readonly accepted: number
  readonly touchpoint: (id: string) => NonNullable<ReturnType<Catalogue['touchpoints']['get']>>
}

/** Looks at the file, reads both files that were written, and runs the whole export through them. */
export async function tryOut(path: string, maxRows = 50_000): Promise<Tried> {
  const look = lookAt(await sniff(path, maxRows), path.split('/').at(-1)!, { now: NOW })
  const mapping = parseMapping(look.mappingText, 'mapping.yaml')
  const catalogue = parseCatalogue(look.catalogueText, 'touchpoints.yaml')
  const interactions: Omit<Interaction, 'id'>[] = []
  let rejected = 0
  for await (const { rows, columns } of readRows(path, mapping.file)) {
    if (columns !== null && checkMapping(mapping, columns).length > 0)
      throw new Error('the mapping does not fit the columns')
    for (const row of rows) {
      for (const mapped of row.ok ? applyMapping(mapping, row.row) : [row]) {
        const checked = mapped.ok && 'input' in mapped ? validate(mapped.input, { receivedAt: NOW }) : null
        if (checked?.ok) interactions.push(checked.interaction)
        else rejected++
      }
    }
  }
  const accepted = interactions.length / (interactions.length + rejected)
  const touchpoint = (id: string) => {
    const found = catalogue.touchpoints.get(id)
    if (found === undefined)
      throw new Error(`no touchpoint ${id} among ${[...catalogue.touchpoints.keys()].join(', ')}`)
    return found
  }
  return { look, mapping, catalogue, interactions, accepted, touchpoint }
}

/** Runs `weaklink init` as a program, with that `WEAKLINK_DATA_DIR` or none. */
export function runInit(
  args: readonly string[],
  cwd: string,
  { dataDir }: { readonly dataDir?: string } = {},
): { status: number; stdout: string; stderr: string } {
  const module = new URL('../../src/commands/init.ts', import.meta.url).href
  // The packages are found from here, below the repository; the command itself runs in `cwd`.
  const script = `
    import { Command, Option } from 'commander'
    import { initCommand } from ${JSON.stringify(module)}
    process.chdir(${JSON.stringify(cwd)})
    try {
      const dataDir = new Option('--data-dir <dir>').default('.weaklink').env('WEAKLINK_DATA_DIR')
      await new Command('weaklink').addOption(dataDir).option('--json').addCommand(initCommand()).parseAsync(['node', 'weaklink', ...process.argv.slice(1)])
    } catch (error) {
      process.stderr.write(error.name + ': ' + error.message)
      process.exitCode = error.name === 'UsageError' ? 2 : 1
    }`
  try {
    const stdout = execFileSync(process.execPath, ['--input-type=module', '-e', script, 'init', ...args], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      encoding: 'utf8',
      env: { ...process.env, WEAKLINK_DATA_DIR: dataDir },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return { status: 0, stdout, stderr: '' }
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string }
    return { status, stdout, stderr }
  }
}

/** Encodes into a single-byte encoding, by turning its decoder round. */
export function encodeAs(label: string, text: string): Uint8Array {
  const decoder = new TextDecoder(label)
  const bytes = new Map(Array.from({ length: 256 }, (_, byte) => [decoder.decode(Uint8Array.of(byte)), byte]))
  return Uint8Array.from([...text], (character) => {
    const byte = bytes.get(character)
    if (byte === undefined) throw new Error(`${label} has no ${character}`)
    return byte
  })
}

const two = (n: number) => String(n).padStart(2, '0')

export function russian(at: number): string {
  const date = new Date(at)
  return `${two(date.getUTCDate())}.${two(date.getUTCMonth() + 1)}.${date.getUTCFullYear()} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`
}

const DAY = 86_400_000
const STAGES = ['Первичный контакт', 'Встреча', 'КП отправлено', 'Переговоры']

/** The stages of a CRM, as such systems export them in Russia. */
export function crmExport(customers = 150): string {
  const random = chance(7).next
  const rows: [number, string][] = []
  for (let customer = 0; customer < customers; customer++) {
    let at = Date.UTC(2024, 2, 1) + Math.floor(random() * 90) * DAY + Math.floor(random() * 9) * 3_600_000
    const phone =
      customer % 20 === 0
        ? ''
        : customer % 2 === 0
          ? `8 (903) 555-${two(customer % 100)}-${two(Math.floor(customer / 100) + 10)}`
          : `+7903444${two(customer % 100)}${two(Math.floor(customer / 100) + 10)}`
    const reached = 1 + Math.floor(random() * 4)
    const end =
      reached < 4
        ? random() < 0.5
          ? ['Отказ']
          : random() < 0.5
            ? ['Закрыто и не реализовано']
            : []
        : ['Договор подписан', 'Оплачено']
    for (const stage of [...STAGES.slice(0, reached), ...end]) {
      const amount = `${Math.floor(random() * 90) + 10} 500,50`
      rows.push([
        at,
        `Клиент ${customer + 1};${phone};${stage};${russian(at)};${['Сайт', 'Звонок', 'Выставка'][customer % 3]};${['Иванова', 'Пётр'][customer % 2]};${amount};"Комментарий ""${customer}-${at}"""`,
      ])
      at += Math.floor((0.5 + random() * 4) * DAY)
    }
  }
  rows.sort((a, b) => a[0] - b[0])
  return `Клиент;Телефон;Этап;Дата;Источник;Менеджер;Сумма;Комментарий\r\n${rows.map(([, row]) => row).join('\r\n')}\r\n`
}

/** Calls, as the export of a phone system. */
export function callExport(calls = 400): string {
  const random = chance(11).next
  const lines = ['call_id,call_date,caller,queue,wait_seconds,talk_seconds,status,agent']
  for (let call = 0; call < calls; call++) {
    const at = new Date(Date.UTC(2024, 4, 1, 6) + call * 1_800_000).toISOString().replace('T', ' ').slice(0, 19)
    const caller = call % 25 === 0 ? 'anonymous' : `+49301234${String(100 + Math.floor(random() * 120))}`
    const answered = random() < 0.7
    const status = answered ? 'ANSWERED' : random() < 0.8 ? 'NO ANSWER' : 'BUSY'
    lines.push(
      `c-${call + 1000},${at},${caller},${['sales', 'support'][call % 2]},${Math.floor(random() * 90)},${answered ? Math.floor(random() * 600) : 0},${status},${answered ? `agent${call % 4}` : ''}`,
    )
  }
  return lines.join('\n')
}

/** Events of an app: JSON lines with objects in objects. */
export function appEvents(users = 80): string {
  const random = chance(3).next
  const lines: string[] = []
  const way = ['App Opened', 'Product Viewed', 'Product Added', 'Checkout Started', 'Order Completed']
  for (let user = 0; user < users; user++) {
    for (let session = 0; session < 3; session++) {
      let at = Date.UTC(2024, 5, 1 + session * 4 + (user % 5), 10)
      for (const event of [
        ...way.slice(0, 1 + Math.floor(random() * 5)),
        ...(random() < 0.2 ? ['Payment Failed'] : []),
      ]) {
        lines.push(
          JSON.stringify({
            messageId: `m-${lines.length}-${user}`,
            event,
            timestamp: new Date(at).toISOString(),
            userId: user % 4 === 0 && session === 0 ? null : `u${user}`,
            anonymousId: `a-${user}-${session}`,
            context: {
              device: { type: user % 2 ? 'phone' : 'tablet' },
              campaign: { name: user % 3 ? 'spring' : 'none' },
            },
            properties: {
              session_id: `s${user}-${session}`,
              total: event === 'Order Completed' ? 49.9 : undefined,
              currency: 'EUR',
              ...(event === 'Order Completed' ? { order_id: `o-${user}-${session}` } : {}),
            },
            tags: ['a', 'b'],
          }),
        )
        at += 45_000
      }
    }
  }
  return lines.join('\n')
}
