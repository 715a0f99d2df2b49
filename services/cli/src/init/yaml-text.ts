/** Pieces of YAML, written by hand: the comments stand where a reader needs them. */

/** A scalar as plain as it can be. YAML takes JSON's strings. */
export function scalar(text: string): string {
  const plain =
    /^\p{L}[\p{L}\p{N}_./]*( [\p{L}\p{N}_./]+)*$/u.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(text)
  return plain ? text : JSON.stringify(text)
}

/** `{ a: b, c: d }` */
export function flow(map: Readonly<Record<string, string>>): string {
  return `{ ${Object.entries(map)
    .map(([key, value]) => `${scalar(key)}: ${scalar(value)}`)
    .join(', ')} }`
}

/** A text of the file within a comment: one line, not too long, nothing that moves a terminal. */
export function comment(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}\uFFFE\uFFFF]+/gu, ' ')
  return line.length > 100 ? `${line.slice(0, 99)}…` : line
}

export function count(n: number): string {
  return n.toLocaleString('en-US')
}
