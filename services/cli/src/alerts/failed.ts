import { type Failed, instantWords } from '@weaklink/alerts'

/** What receivers were not told, the newest last. */
export function failedText(failed: readonly Failed[]): string {
  if (failed.length === 0) return 'No message of the last 7 days was given up.'
  return failed
    .map(({ receiver, at, attempts, error, count, alerts }) => {
      const more = count - alerts.length
      return [
        `${instantWords(at)}  ${receiver}, after ${attempts === 1 ? '1 attempt' : `${attempts} attempts`}: ${error}`,
        ...alerts.map(({ status, summary }) => `    ${status.padEnd(8)}  ${summary}`),
        ...(more > 0 ? [`    … and ${more} more`] : []),
      ].join('\n')
    })
    .join('\n\n')
}
