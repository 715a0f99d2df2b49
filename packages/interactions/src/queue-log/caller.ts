import { nearestName } from '../rejection.ts'
import { parseTemplate, Unusable } from '../template.ts'

/** What the log says of who calls. */
interface Caller {
  /** The caller id: most often a phone number. */
  readonly caller: string
  readonly name: string
  readonly queue: string
}

/** Which customer a caller is, null where nobody can say. */
export type CallerRule = (caller: Caller) => string | null

/** The rule is wrong: the message says where, and what was expected. */
export class InvalidCallerRule extends Error {
  override readonly name = 'InvalidCallerRule'
}

/** A phone number in the form of E.164 where it is one; else (an extension, a SIP name) the caller id in lower case. */
export const DEFAULT_CALLER_RULE = '{caller:e164|caller:trim:lower}'

const NAMES: readonly (keyof Caller)[] = ['caller', 'name', 'queue']
/** What telephone systems write where the caller withheld the number: one customer must not be made of all of these. */
const WITHHELD =
  /^(|0+|anonymous|asterisk|blocked|na|nonumber|none|null|private|restricted|unavailable|unknown|withheld)$/

/**
 * A rule in the form of a mapping's template, over `{caller}`, `{name}` and `{queue}`.
 * @throws {InvalidCallerRule}
 */
export function parseCallerRule(text: string): CallerRule {
  const template = parseTemplate(text, { units: false, number: () => undefined })
  if ('expected' in template) {
    throw new InvalidCallerRule(`column ${template.index + 1}: expected ${template.expected}, got ${template.got}`)
  }
  for (const { path, index } of template.references) {
    if ((NAMES as readonly string[]).includes(path)) continue
    const nearest = nearestName(path, NAMES)
    const expected = nearest ?? `one of ${NAMES.join(', ')}`
    throw new InvalidCallerRule(`column ${index + 1}: expected ${expected}, got ${JSON.stringify(path)}`)
  }
  if (template.references.length === 0) {
    throw new InvalidCallerRule(`expected a placeholder, as ${DEFAULT_CALLER_RULE}, got ${JSON.stringify(text)}`)
  }
  return (caller) => {
    const value = template.evaluate({ row: { ...caller, caller: isWithheld(caller.caller) ? '' : caller.caller } })
    return value === undefined || value instanceof Unusable || value === '' ? null : String(value)
  }
}

function isWithheld(caller: string): boolean {
  return WITHHELD.test(caller.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ''))
}
