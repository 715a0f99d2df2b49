import { hoursText } from '../calendar.ts'
import { counted, durationWords, percentWords } from '../engine/words.ts'
import type { Rule } from './rule.ts'

/** What a rule does, in a sentence: `fires for each customer who has waited longer than 2 min in support, and still waits`. */
export function ruleSentence(rule: Rule): string {
  const quiet = rule.quiet.map(hoursText).join(' and ')
  return `fires ${when(rule)}${lasting(rule)}${quiet === '' ? '' : `; nobody is told ${quiet}`}`
}

function when(rule: Rule): string {
  switch (rule.kind) {
    case 'waiting':
      return `for each customer who has waited longer than ${durationWords(rule.longerThanMs)}${place(rule)}, and still waits`
    case 'serviceLevel':
      return `${each(rule)}when fewer than ${percentWords(rule.below)} of the calls${place(rule)} were answered within ${durationWords(rule.withinMs)}${window(rule)}`
    case 'abandonRate':
      return `${each(rule)}when more than ${percentWords(rule.above)} of the callers${place(rule)} gave up${window(rule)}`
    case 'averageWait':
      return `${each(rule)}when callers${place(rule)} waited longer than ${durationWords(rule.above)} on average${window(rule)}`
    case 'queueLength':
      return `${each(rule)}when more than ${counted(rule.above, 'caller')} ${rule.above === 1 ? 'waits' : 'wait'}${place(rule)} at the same time`
    case 'breakRate':
      return (
        `when of the chains that reached ${rule.touchpoint} and ended in the last ${durationWords(rule.overMs)} (at least ${rule.atLeast}) ` +
        `more than ${rule.above} times as many broke there as in the ${durationWords(rule.againstMs)} before, and not by chance (99 %)`
      )
    case 'absence': {
      const hours = rule.between === null ? '' : `, within ${hoursText(rule.between)}`
      return `when nothing has happened at ${rule.touchpoint} for ${durationWords(rule.forMs)}${hours}`
    }
  }
}

function each({ perQueue }: { readonly perQueue: boolean }): string {
  return perQueue ? 'for each queue ' : ''
}

function place({ queues }: { readonly queues: readonly string[] | null }): string {
  return queues === null ? '' : ` in ${queues.join(' or ')}`
}

function window({ overMs, atLeast }: { readonly overMs: number; readonly atLeast: number }): string {
  return `, of the waits that ended in the last ${durationWords(overMs)} (at least ${atLeast})`
}

function lasting(rule: Rule): string {
  if (!('recover' in rule)) return ''
  const once = rule.forMs === 0 ? '' : `, once that has been so for ${durationWords(rule.forMs)}`
  const back = wayBack(rule)
  return `${once}${back === null ? '' : `; it is over when ${back}`}`
}

/** Null where it is the bound itself. */
function wayBack(rule: Extract<Rule, { readonly recover: number }>): string | null {
  if (rule.recover === (rule.kind === 'serviceLevel' ? rule.below : rule.above)) return null
  switch (rule.kind) {
    case 'serviceLevel':
      return `it is ${percentWords(rule.recover)} again`
    case 'abandonRate':
      return `it is at most ${percentWords(rule.recover)} again`
    case 'averageWait':
      return `it is at most ${durationWords(rule.recover)} again`
    case 'queueLength':
      return `at most ${rule.recover} wait`
    case 'breakRate':
      return `it is at most ${rule.recover} times the rate of before`
  }
}
