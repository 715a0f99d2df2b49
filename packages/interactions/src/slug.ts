/** Characters of a touchpoint id, counted in code points. */
export const MAX_TOUCHPOINT_LENGTH = 64

// With the marks (\p{M}) that belong to letters: without them the words of Hindi or Thai fall apart.
const TOUCHPOINT = /^[\p{L}\p{N}][\p{L}\p{N}\p{M}_.-]*$/u
const OTHER_CHARACTERS = /[^\p{L}\p{N}\p{M}_.-]+/gu

/**
 * The touchpoint id of a name: NFKC, lower case, every run of characters other than letters and digits of any script
 * and `_ . -` becomes one `_`; then trimmed of `_` (and at its start of `.` and `-`, since an id begins with a letter
 * or digit) and cut at 64 characters. Empty where nothing of the name remains. A slug's slug is itself.
 */
export function slug(name: string): string {
  // Lower case can leave the normal form (and the normal form, lower case) for a few letters: one more round settles it.
  const lower = name.normalize('NFKC').toLowerCase().normalize('NFKC').toLowerCase()
  const trimmed = lower.replace(OTHER_CHARACTERS, '_').replace(/^[\p{M}_.-]+/u, '')
  return firstCharacters(trimmed, MAX_TOUCHPOINT_LENGTH).replace(/_+$/, '')
}

/** Touchpoints are few and come again and again: the first of them that were found right. */
const known = new Set<string>()
const KNOWN_AT_MOST = 10_000

/** Whether a text is a touchpoint id: NFC, lower case, letters and digits, after the first also `_ . -`, at most 64. */
export function isTouchpoint(text: string): boolean {
  if (known.has(text)) return true
  const right =
    TOUCHPOINT.test(text) &&
    lengthOf(text, MAX_TOUCHPOINT_LENGTH) <= MAX_TOUCHPOINT_LENGTH &&
    text === text.normalize('NFC').toLowerCase()
  if (right && known.size < KNOWN_AT_MOST) known.add(text)
  return right
}

/** Length in characters (code points); exact only where it matters, that is above `limit` UTF-16 units. */
export function lengthOf(text: string, limit: number): number {
  if (text.length <= limit) return text.length
  let length = 0
  for (const _ of text) length++
  return length
}

function firstCharacters(text: string, count: number): string {
  return text.length <= count ? text : [...text].slice(0, count).join('')
}
