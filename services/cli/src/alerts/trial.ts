import type { Trial } from '@weaklink/alerts'
import type { Style } from '../terminal.ts'

/** What became of a test alert at each receiver, one line each. */
export function trialText(trials: readonly Trial[], style: Style): string {
  const width = Math.max(...trials.map(({ receiver }) => receiver.length))
  return trials
    .map(({ receiver, kind, ok, says }) => {
      const mark = !ok ? style.red('failed') : says === null ? style.green('sent  ') : style.yellow('sent? ')
      return `  ${mark}  ${receiver.padEnd(width)}  ${kind}${says === null ? '' : `: ${says}`}`
    })
    .join('\n')
}
