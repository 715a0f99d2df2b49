/** Numbers as people read them at night. */

const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const

/** The two largest units: `2 min 5 s`; below a second in milliseconds. */
export function durationWords(ms: number): string {
  if (Math.abs(ms) < 1_000 && ms !== 0) return `${Math.round(ms)} ms`
  let rest = Math.max(0, Math.round(ms / 1_000))
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count} ${unit}`)
    // After hours seconds say nothing.
    if (parts.length === 2 || (parts.length === 1 && count === 0)) break
  }
  return parts.join(' ') || '0 s'
}

/** Of a share from 0 to 1: `71 %`, `71.4 %`. */
export function percentWords(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`
}

/** `2026-03-02 12:05:10 UTC`. */
export function instantWords(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
