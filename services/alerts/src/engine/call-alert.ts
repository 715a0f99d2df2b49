import type { WaitingCall } from '@weaklink/chains'
import type { Interaction } from '@weaklink/interactions'
import type { Alert } from '../alert.ts'
import type { RuleOf } from '../rules/rule.ts'
import { hashOf } from '../rules/schema.ts'
import { filled } from '../rules/template.ts'
import { durationWords, instantWords } from './words.ts'

/** The alert of one customer who waits for too long. */

type WaitingRule = RuleOf<'waiting'>

/** @param callKey as in `Calls` */
export function callAlertKey(rule: WaitingRule, callKey: string): string {
  return hashOf([rule.print, callKey])
}

/** It began when the wait had lasted for as long as the rule allows, whenever that was noticed. */
export function callAlert(rule: WaitingRule, callKey: string, call: WaitingCall): Alert {
  const { episode, queue, since } = call
  const customer = call.customer ?? call.anonymousId ?? ''
  const where = queue === null ? '' : ` in ${queue}`
  const whom = call.customer === null ? `somebody known as ${customer}` : `customer ${customer}`
  return {
    key: callAlertKey(rule, callKey),
    rule: rule.name,
    labels: {
      ...rule.labels,
      alertname: rule.name,
      severity: rule.severity,
      customer,
      episode,
      ...(queue === null ? {} : { queue }),
    },
    summary: summaryOf(rule, call, rule.longerThanMs, `has waited ${durationWords(rule.longerThanMs)}`),
    description: `Since ${instantWords(since)} ${whom} has waited${where}, and still does (call ${episode}).`,
    runbook: rule.runbook,
    startsAt: since + rule.longerThanMs,
    endsAt: null,
    value: rule.longerThanMs / 1_000,
  }
}

/**
 * The same alert once the wait is over.
 *
 * @param call null where it is not known any more
 * @param by what ended it; null where nothing more was heard
 * @param now epoch milliseconds
 */
export function endedCallAlert(
  rule: WaitingRule,
  alert: Alert,
  call: WaitingCall | null,
  by: Interaction | null,
  now: number,
): Alert {
  const endsAt = Math.max(alert.startsAt, by?.at ?? now)
  if (call === null || by === null) {
    return { ...alert, endsAt, description: `Nothing more was heard of the call ${alert.labels.episode}.` }
  }
  // A clock that jumped is no reason to say that somebody waited for less than nothing.
  const waitedMs =
    by.touchpoint === 'call_wait' && by.waitMs !== undefined ? by.waitMs : Math.max(by.at - call.since, 0)
  return {
    ...alert,
    endsAt,
    summary: summaryOf(rule, call, waitedMs, `waited ${durationWords(waitedMs)}`),
    description: `${howItEnded(by)} at ${instantWords(by.at)} (call ${call.episode}).`,
    value: waitedMs / 1_000,
  }
}

function summaryOf(rule: WaitingRule, call: WaitingCall, waitedMs: number, did: string): string {
  const { queue, episode } = call
  const customer = call.customer ?? call.anonymousId ?? ''
  if (rule.summary === null) return `${customer} ${did}${queue === null ? '' : ` in ${queue}`}`
  const waited = durationWords(waitedMs)
  return filled(rule.summary, { rule: rule.name, customer, waited, queue: queue ?? 'no queue', episode })
}

const ENDINGS: Readonly<Record<string, string>> = {
  timeout: 'The queue gave the call up',
  empty: 'The last agent left the queue, and the wait ended',
  key: 'The caller left the queue by a key',
  system: 'The telephone system ended the call',
}

function howItEnded({ touchpoint, outcome, agent, props }: Interaction): string {
  if (outcome === 'abandoned') return 'The caller gave up'
  if (touchpoint !== 'call_wait') return `The wait ended (${touchpoint})`
  if (props?.ended !== undefined) return ENDINGS[String(props.ended)] ?? 'The wait ended'
  return agent === undefined ? 'The caller was answered' : `The caller was answered by ${agent}`
}
