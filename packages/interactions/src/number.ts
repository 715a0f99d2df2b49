/**
 * Reads numbers as people write them into files. Without a declared decimal mark it is the point, and any other mark
 * is refused: `12,345` may be twelve or twelve thousand. With one, the other mark may group the thousands. Spaces may
 * always group them. Undefined where the text is no number.
 */
export function createNumberReader(decimal: '.' | ',' | undefined): (text: string) => number | undefined {
  const mark = decimal ?? '.'
  const grouping = decimal === undefined ? undefined : decimal === '.' ? ',' : '.'
  const grouped =
    grouping === undefined ? undefined : new RegExp(`^[+-]?\\d{1,3}(\\${grouping}\\d{3})+(\\${mark}\\d+)?$`)
  return (text) => {
    let plain = text.trim()
    if (/\d[\s'’]\d{3}/.test(plain)) plain = plain.replace(/(?<=\d)[\s'’](?=\d{3}(?!\d))/g, '')
    if (grouping !== undefined && grouped?.test(plain)) plain = plain.replaceAll(grouping, '')
    if (mark === ',') {
      if (plain.includes('.')) return undefined
      plain = plain.replace(',', '.')
    }
    if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(plain)) return undefined
    const number = Number(plain)
    return Number.isFinite(number) ? number : undefined
  }
}
