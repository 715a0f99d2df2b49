import { InvalidMapping } from '@weaklink/interactions'
import { instantsOf } from './probe.ts'

export interface TimeGuess {
  /** As `time.format` of a mapping. */
  readonly format: string
  /** The times do not say their zone. */
  readonly needsZone: boolean
  /** Share of the texts that the format reads. */
  readonly fit: number
  /** False: only dates. */
  readonly hasTimeOfDay: boolean
  /** Day and month could as well be the other way round. */
  readonly ambiguous: boolean
  readonly example: string
}

/** Texts whose shapes give the formats to try. */
const SHAPES = 200

/**
 * The format that reads most of these texts. Candidates come from the shapes of the texts, and are tried with the reader
 * of the import. Where day and month may be either way round, the reading that spans less time is taken: an export of
 * some weeks, misread, is scattered over years.
 * @param epochs whether plain numbers may be seconds, milliseconds or microseconds since 1970
 * @returns null where hardly anything is a time
 */
export function guessTime(texts: readonly string[], epochs: boolean): TimeGuess | null {
  const formats = new Set(texts.slice(0, SHAPES).flatMap((text) => formatsOf(text, epochs)))
  const readings = [...formats].flatMap((format) => {
    const instants = read(texts, format).filter((instant) => instant !== null)
    if (instants.length === 0) return []
    const span = instants.reduce((a, b) => Math.max(a, b)) - instants.reduce((a, b) => Math.min(a, b))
    return [{ format, fit: instants.length / texts.length, span }]
  })
  // Sorting is stable: of equals the first, which is the likelier.
  const [best] = readings.sort((a, b) => b.fit - a.fit || a.span - b.span)
  if (best === undefined || best.fit < 0.5) return null
  const { format, fit } = best
  const withoutZone = format === 'iso' ? instantsOf(texts, format, undefined).filter((one) => one !== null).length : 0
  const isEpoch = ['s', 'ms', 'us'].includes(format)
  return {
    format,
    needsZone: format === 'iso' ? withoutZone / texts.length < fit : !isEpoch && !format.includes('Z'),
    fit,
    hasTimeOfDay: isEpoch || (format === 'iso' ? texts.some((text) => text.includes(':')) : /h/i.test(format)),
    ambiguous: readings.some((other) => other.fit === fit && other.format.startsWith('d') !== format.startsWith('d')),
    example: texts[0] ?? '',
  }
}

function read(texts: readonly string[], format: string): (number | null)[] {
  try {
    return instantsOf(texts, format, format.includes('Z') ? undefined : 'UTC')
  } catch (error) {
    if (error instanceof InvalidMapping) return []
    throw error
  }
}

const TIME = String.raw`(?:(T|,? +)(\d{1,2}):\d\d(:\d\d)?([.,]\d+)?( ?[AaPp][Mm])?)?( ?[+-]\d\d:?\d\d)?$`
const NUMBERS = new RegExp(String.raw`^(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})${TIME}`)
const DAY_MONTH_NAME = new RegExp(String.raw`^(\d{1,2})([ -])([A-Za-z]{3,9})\2(\d{4})${TIME}`)
const MONTH_NAME_DAY = new RegExp(String.raw`^([A-Za-z]{3,9}) (\d{1,2}), (\d{4})${TIME}`)
const ISO = /^\d{4}-\d\d-\d\d(?:$|[T ]\d\d:\d\d)/

/** Formats that a text of this shape may have, the likelier first. */
function formatsOf(text: string, epochs: boolean): string[] {
  if (/^\d+(\.\d+)?$/.test(text)) {
    if (!epochs) return []
    const compact = /^(19|20)\d{6}$/.test(text) ? ['yyyyMMdd'] : /^(19|20)\d{12}$/.test(text) ? ['yyyyMMddHHmmss'] : []
    return [...compact, ...epochsOf(Number(text))]
  }
  if (ISO.test(text)) return ['iso']
  const numbers = NUMBERS.exec(text)
  if (numbers !== null) {
    const [, first = '', mark = '', second = '', third = ''] = numbers
    const time = timeTokens(numbers.slice(5))
    const date = (...parts: readonly string[]) => parts.join(mark) + time
    if (first.length === 4)
      return [date('yyyy', second.length === 2 && third.length === 2 ? 'MM' : 'M', third.length === 2 ? 'dd' : 'd')]
    const year = third.length === 4 ? 'yyyy' : 'yy'
    const [day, month] = first.length === 2 && second.length === 2 ? ['dd', 'MM'] : ['d', 'M']
    // Nobody writes 12.31.2024.
    return mark === '.' ? [date(day!, month!, year)] : [date(day!, month!, year), date(month!, day!, year)]
  }
  const named = DAY_MONTH_NAME.exec(text)
  if (named !== null) return [['d', monthToken(named[3]!), 'yyyy'].join(named[2]) + timeTokens(named.slice(5))]
  const american = MONTH_NAME_DAY.exec(text)
  return american === null ? [] : [`${monthToken(american[1]!)} d, yyyy${timeTokens(american.slice(4))}`]
}

function monthToken(name: string): string {
  return name.length === 3 ? 'MMM' : 'MMMM'
}

function timeTokens([between, hour, seconds, fraction, half, offset]: readonly (string | undefined)[]): string {
  let tokens = ''
  if (hour !== undefined) {
    const letter = half === undefined ? 'H' : 'h'
    tokens = `${between === 'T' ? "'T'" : between}${hour.length === 2 ? letter.repeat(2) : letter}:mm`
    if (seconds !== undefined) tokens += ':ss'
    if (fraction !== undefined) tokens += `${fraction[0]}${fraction.length === 4 ? 'SSS' : 'u'}`
    if (half !== undefined) tokens += half.startsWith(' ') ? ' a' : 'a'
  }
  if (offset !== undefined) tokens += `${offset.startsWith(' ') ? ' ' : ''}${offset.includes(':') ? 'ZZ' : 'ZZZ'}`
  return tokens
}

/** 2001 to 2100, in the unit in which the number lies there. */
function epochsOf(number: number): string[] {
  const [from, to] = [978_307_200, 4_102_444_800]
  const units = [
    ['s', 1],
    ['ms', 1e3],
    ['us', 1e6],
  ] as const
  return units.filter(([, ticks]) => number >= from * ticks && number < to * ticks).map(([unit]) => unit)
}
