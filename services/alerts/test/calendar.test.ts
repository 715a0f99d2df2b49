import { describe, expect, it } from 'vitest'
import { beganWithin, hoursOf, hoursSchema, hoursText, isWithin } from '../src/calendar.ts'

const hours = (file: object) => hoursOf(hoursSchema.parse(file))
const at = (text: string) => Date.parse(text)
const OFFICE = hours({ days: 'mon-fri', from: '09:00', to: '18:00', zone: 'Europe/Berlin' })
const NIGHT = hours({ days: 'fri-sat', from: '22:00', to: '06:00', zone: 'Europe/Berlin' })
const GAP = hours({ from: '02:30', to: '03:30', zone: 'Europe/Berlin' })
const ALWAYS = hours({})

describe('hours', () => {
  for (const [given, these, when, then] of [
    ['before they begin', OFFICE, '2026-03-02T08:59:59.999+01:00', false],
    ['as they begin', OFFICE, '2026-03-02T09:00+01:00', true],
    ['just before the end', OFFICE, '2026-03-02T17:59:59.999+01:00', true],
    ['at the end', OFFICE, '2026-03-02T18:00+01:00', false],
    ['on another day', OFFICE, '2026-03-01T12:00+01:00', false],
    ['by the clock there, in summer', OFFICE, '2026-07-06T07:00Z', true],
    ['by the clock there, in winter', OFFICE, '2026-01-05T07:59Z', false],
    ['over midnight, in the evening', NIGHT, '2026-03-06T23:00+01:00', true],
    ['over midnight, the morning after', NIGHT, '2026-03-08T05:59+01:00', true],
    ['over midnight, the morning before', NIGHT, '2026-03-06T05:00+01:00', false],
    ['over midnight, too late', NIGHT, '2026-03-08T06:00+01:00', false],
    ['begin in the hour that summer time leaves out', GAP, '2026-03-29T03:00+02:00', true],
    ['not before that hour', GAP, '2026-03-29T01:59+01:00', false],
    ['the first time the clock shows it in autumn', GAP, '2026-10-25T02:45+02:00', true],
    ['and the second time', GAP, '2026-10-25T02:45+01:00', true],
    ['not in between', GAP, '2026-10-25T02:15+01:00', false],
    ['always', ALWAYS, '2026-03-29T03:00Z', true],
  ] as const) {
    it(`${given}: ${then ? 'on' : 'off'}`, () => expect(isWithin(these, at(when))).toBe(then))
  }

  it('know since when they have been on', () => {
    expect(beganWithin(OFFICE, at('2026-03-02T12:00+01:00'))).toBe(at('2026-03-02T09:00+01:00'))
    expect(beganWithin(OFFICE, at('2026-03-02T19:00+01:00'))).toBeNull()
    expect(beganWithin(NIGHT, at('2026-03-08T05:00+01:00'))).toBe(at('2026-03-07T22:00+01:00'))
    expect(beganWithin(hours({ days: 'mon-wed' }), at('2026-03-04T12:00Z'))).toBe(at('2026-03-02T00:00Z'))
    expect(beganWithin(ALWAYS, at('2026-03-04T12:00Z'))).toBe(Number.NEGATIVE_INFINITY)
  })

  it('are written as in a file', () => {
    expect(hoursText(OFFICE)).toBe('mon-fri 09:00-18:00 Europe/Berlin')
    expect(hoursText(hours({ days: 'sat-mon,wed' }))).toBe('mon,wed,sat-sun 00:00-24:00 UTC')
  })
})
