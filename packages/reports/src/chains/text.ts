import { dayText, timeText } from '../instant-text.ts'
import { fit, PLAIN, printable, type Style, type TextOptions } from '../terminal.ts'
import type { ChainSummary, ChainsReport } from './shape.ts'

/** Two lines a chain: whose it is and what became of it, then its path with the mark where it ended. */
export function chainsText(report: ChainsReport, options: TextOptions = {}): string {
  const { style = PLAIN, width = 100 } = options
  if (report.chains.length === 0) {
    return 'There are no such chains. Ask for more with fewer filters, or bring interactions in with `weaklink import FILE`.\n'
  }
  const blocks = report.chains.map((chain) => {
    const whose = `${printable(chain.customer)}${chain.kind === 'anonymous' ? ' (anonymous)' : ''}`
    const from = `${dayText(chain.startedAt)} ${timeText(chain.startedAt)}`
    const until = chain.closedAt === null ? '' : ` → ${dayText(chain.closedAt)} ${timeText(chain.closedAt)}`
    const heading = `${style.bold(whose)} · chain ${chain.ordinal} · ${stateText(chain, style)} · ${from}${until}`
    return `${heading}\n  ${pathText(chain, width - 2)}`
  })
  const more = report.next === null ? [] : [style.dim(`More: --cursor ${report.next}`)]
  return `${[...blocks, ...more].join('\n')}\n`
}

/** `broken at call_wait (abandoned)`. */
export function stateText(
  { state, place, reason, atRisk }: Pick<ChainSummary, 'state' | 'place' | 'reason' | 'atRisk'>,
  style: Style,
): string {
  switch (state) {
    case 'broken':
      return style.red(`broken at ${place} (${reason})`)
    case 'converted':
      return style.green(`converted at ${place}`)
    case 'open':
      return style.yellow(`open at ${place}${atRisk ? ' (at risk)' : ''}`)
    case 'ignored':
      return style.dim(`ignored at ${place}`)
  }
}

const MARKS: Record<ChainSummary['state'], string> = { broken: ' ✗', converted: ' ✓', open: ' …', ignored: '' }

/** `ad_view → site_visit ×3 → call_wait ✗`; too long a path loses its middle. */
function pathText({ path, place, state }: ChainSummary, width: number): string {
  const end = path.findLastIndex(({ touchpoint }) => touchpoint === place)
  const steps = path.map(
    ({ touchpoint, times }, index) =>
      `${touchpoint}${times > 1 ? ` ×${times}` : ''}${index === end ? MARKS[state] : ''}`,
  )
  for (let kept = steps.length; kept >= 2; kept--) {
    const head = Math.ceil(kept / 2)
    const shown = kept === steps.length ? steps : [...steps.slice(0, head), '…', ...steps.slice(head - kept)]
    const text = shown.join(' → ')
    if (fit(text, width) === text) return text
  }
  return fit(steps.join(' → '), width)
}
