import type { BoardCall, WaitingEvent, WaitingNow } from '@weaklink/api'
import { fit, printable, table } from '@weaklink/reports'
import type { Style } from '../terminal.ts'

export interface BoardTextOptions {
  readonly style: Style
  readonly width: number
}

type ChainSoFar = NonNullable<BoardCall['chain']>

const GAP = 2
/** Of a path, however narrow the terminal is. */
const NARROWEST_PATH = 24

/** Who waits, as a table, then the queues. */
export function boardText(now: WaitingNow, { style, width }: BoardTextOptions): string {
  const lines = [headingOf(now, style)]
  if (now.notice !== null) lines.push(style.yellow(now.notice))
  if (now.calls.length > 0) lines.push('', ...callLines(now.calls, style, width))
  if (now.total > now.calls.length) {
    lines.push(style.dim(`… and ${whole(now.total - now.calls.length)} more who have not waited as long (--limit)`))
  }
  if (now.queues.length > 0) lines.push('', ...queueLines(now.queues, style, width))
  return lines.join('\n')
}

function headingOf({ total, queues, asOf }: WaitingNow, style: Style): string {
  const at = style.dim(`at ${time(asOf)} UTC`)
  if (total === 0) return `Nobody waits now, ${at}.`
  const who = total === 1 ? '1 customer waits' : `${whole(total)} customers wait`
  return `${style.bold(who)} ${at}, the longest for ${style.bold(waitText(queues[0]?.longestMs ?? 0))}.`
}

function callLines(calls: readonly BoardCall[], style: Style, width: number): string[] {
  const before = [
    { title: 'customer', cells: calls.map(whoText), align: 'left' },
    { title: 'queue', cells: calls.map(({ queue }) => fit(printable(queue ?? '–'), 20)), align: 'left' },
    { title: 'since', cells: calls.map(({ since }) => time(since)), align: 'right' },
    { title: 'waited', cells: calls.map(({ waitedMs }) => waitText(waitedMs)), align: 'right' },
    { title: 'bought before', cells: calls.map(({ chain }) => fit(boughtText(chain), 24)), align: 'left' },
  ] as const
  const taken = before.reduce(
    (sum, { title, cells }) => sum + GAP + Math.max(...[title, ...cells].map((one) => one.length)),
    0,
  )
  const room = Math.max(NARROWEST_PATH, width - taken)
  const path = {
    title: 'chain so far',
    cells: calls.map(({ chain }) => (chain === null ? '?' : pathText(chain, room))),
    align: 'left',
    mark: (cell: string, row: number) => (calls[row]?.chain?.atRisk === true ? style.yellow(cell) : cell),
  } as const
  return table([...before, path], width, style)
}

function queueLines(queues: WaitingNow['queues'], style: Style, width: number): string[] {
  return table(
    [
      { title: 'queue', cells: queues.map(({ queue }) => printable(queue ?? '–')), align: 'left' },
      { title: 'wait', cells: queues.map(({ waiting }) => whole(waiting)), align: 'right' },
      { title: 'longest', cells: queues.map(({ longestMs }) => waitText(longestMs)), align: 'right' },
      { title: 'on average', cells: queues.map(({ averageMs }) => waitText(averageMs)), align: 'right' },
    ],
    width,
    style,
  )
}

/** A change as one line: since when or until when, who, and what. Of `now` one line for each who waits. */
export function eventText(event: WaitingEvent, { style, width }: BoardTextOptions): string {
  switch (event.state) {
    case 'now':
      return event.calls.map((call) => beganText(call, style, width)).join('\n')
    case 'began':
      return beganText(event, style, width)
    case 'ended': {
      const { endedAt, endedBy, outcome, waitedMs } = event
      const why = printable(outcome ?? endedBy ?? 'nothing more was heard')
      const after = waitedMs === null ? '' : ` after ${waitText(waitedMs)}`
      return `${dateTime(endedAt ?? event.since)}  ${whoText(event)}  waits no more: ${why}${after}`
    }
  }
}

function beganText(call: BoardCall, style: Style, width: number): string {
  const where = call.queue === null ? '' : ` in ${printable(call.queue)}`
  const chain = call.chain === null ? '' : `  ${style.dim(pathText(call.chain, width))}`
  return `${dateTime(call.since)}  ${whoText(call)}  ${style.yellow(`waits${where}`)}${chain}`
}

function whoText({ customer, anonymousId }: Pick<BoardCall, 'customer' | 'anonymousId'>): string {
  return customer === null ? `${printable(anonymousId ?? '')} (anonymous)` : printable(customer)
}

function boughtText(chain: ChainSoFar | null): string {
  if (chain === null) return '?'
  if (!chain.boughtBefore) return 'no'
  const amounts = chain.value.map(({ currency, value }) => `${whole(value)}${currency === null ? '' : ` ${currency}`}`)
  return amounts.length === 0 ? 'yes' : `yes, ${amounts.join(' + ')}`
}

/** `ad_view › site_visit ×3 › call_wait ✗ › call_queue`; what does not fit is left out from its beginning. */
function pathText({ interactions, omitted }: ChainSoFar, room: number): string {
  const steps: { text: string; times: number }[] = []
  for (const { touchpoint, outcome, reaction } of interactions) {
    const text = printable(touchpoint) + markOf(outcome, reaction)
    const last = steps.at(-1)
    if (last?.text === text) last.times += 1
    else steps.push({ text, times: 1 })
  }
  const texts = steps.map(({ text, times }) => (times > 1 ? `${text} ×${times}` : text))
  for (let first = 0; first < texts.length; first++) {
    const shown = [...(first > 0 || omitted > 0 ? ['…'] : []), ...texts.slice(first)].join(' › ')
    if (shown.length <= room) return shown
  }
  return fit(texts.at(-1) ?? '', room)
}

function markOf(outcome: string, reaction: string): string {
  if (outcome === 'bought') return ' ✓'
  if (outcome !== 'continued') return ' ✗'
  return reaction === 'negative' ? ' !' : ''
}

/** `12s`, `3m 05s`, `1h 02m`. */
function waitText(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)]
  if (hours > 0) return `${hours}h ${two(minutes % 60)}m`
  return minutes > 0 ? `${minutes}m ${two(seconds % 60)}s` : `${seconds}s`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

function time(instant: string): string {
  return instant.slice(11, 19)
}

/** `2024-03-04 11:02:00`, UTC as everywhere. */
function dateTime(instant: string): string {
  return instant.slice(0, 19).replace('T', ' ')
}

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 })

function whole(value: number): string {
  return grouped.format(value)
}
