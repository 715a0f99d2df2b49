/**
 * Names of columns and values of stages, made comparable: `userId`, `User ID` and `user_id` are all "user id".
 * Accents of Latin letters go (teléfono, telefono), й stays, ё is е.
 */
export function wordsOf(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .normalize('NFD')
    .replace(/([a-z])\p{Mn}+/gu, '$1')
    .normalize('NFC')
    .replaceAll('ё', 'е')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
}

/**
 * An expression that finds any of the phrases, divided by commas, in `wordsOf` a name: as whole words. `*` ends a stem (`оплачен*` is also
 * оплачено), `=` asks for nothing else in the name. Chinese has no spaces: there a phrase counts wherever it stands.
 */
export function phrases(list: string): RegExp {
  return new RegExp(list.trim().split(/,\s*/).map(patternOf).join('|'), 'u')
}

function patternOf(phrase: string): string {
  if (/\p{Script=Han}/u.test(phrase)) return phrase
  const words = phrase.replace('=', '').replaceAll('*', '[\\p{L}\\p{N}]*')
  return phrase.startsWith('=') ? `^${words}$` : `(?<=^| )${words}(?= |$)`
}
