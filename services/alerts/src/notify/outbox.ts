/**
 * What one receiver is to be told, and when. Pure: time is an argument, nothing is sent here.
 *
 * Alerts are told in **groups**. Of each alert it is known what the receiver was told of it last:
 *
 *     (nothing) ──▶ firing ──▶ resolved          an alert that says otherwise than was told is **fresh**
 *         └───────────────────────▲              it was over before the receiver could be told: once, at its end
 *
 *     group:  quiet ──(a fresh alert that is not muted)──▶ due after wait or interval ──▶ being told ──▶ quiet
 *               ▲ └────(still firing, repeat has passed)──▶ due                              │
 *               └───────────────────────(failed: due again later)───────────────────────────┘
 *
 * What is told is made when it is sent: what joins a group, or is over, while its receiver is away becomes part of the one
 * message that gets through in the end.
 */
import { createHash } from 'node:crypto'
import type { Alert, MemoryRecord } from '../alert.ts'
import { ALL_LABELS } from './config.ts'

export interface Grouping {
  /** Labels in which alerts of a group are alike; `key`: every alert is a group of its own. */
  readonly by: readonly string[] | 'key'
  readonly waitMs: number
  readonly intervalMs: number
  readonly repeatMs: number
  /** The receiver keeps the state of alerts itself: it is told of the end of a muted one at once, since that wakes nobody. */
  readonly closesQuietly: boolean
  /** It takes an alert for over that it does not hear of: all that fire are told again, muted or not, and nothing is noted. */
  readonly needsRefresh: boolean
  /** How many fresh alerts one telling holds at most. */
  readonly most: number
}

/** What a receiver is told at once. */
export interface Telling {
  /** The same for each attempt to tell the same, also after a restart. */
  readonly id: string
  readonly receiver: string
  /** Stays the same for all tellings of a group. */
  readonly group: string
  readonly groupLabels: Readonly<Record<string, string>>
  /** `repeat`: nothing is new, it only still fires. */
  readonly reason: 'first' | 'change' | 'repeat'
  /** What is new comes first, the longest firing before others. */
  readonly firing: readonly Alert[]
  readonly resolved: readonly Alert[]
  /** Keys of those that the receiver does not know yet as they are. */
  readonly fresh: ReadonlySet<string>
  /** How many more of the group still fire, all known already, and are left out here. */
  readonly leftOut: number
  /** There are more fresh ones than one telling holds. */
  readonly isPart: boolean
  /** Epoch milliseconds. */
  readonly at: number
}

export type IsMuted = (alert: Alert, at: number) => boolean
type Status = 'firing' | 'resolved'

interface Told {
  readonly status: Status
  readonly at: number
}

interface Member {
  alert: Alert
  told: Status | null
}

interface Group {
  readonly key: string
  readonly labels: Readonly<Record<string, string>>
  readonly members: Map<string, Member>
  /** Of the members, those that are not told as they are. */
  readonly fresh: Set<string>
  /** When its first alert came. */
  began: number
  toldAt: number | null
  dueAt: number
  /** After a failed attempt: not before that. */
  heldUntil: number
  busy: boolean
}

/** How long what is over is known by its key: longer than anybody tells it again after a start. */
const KNOWN_MS = 2 * 86_400_000
/** How often is looked whether what is muted still is. */
const MUTED_LOOK_MS = 1_000
/** For no longer is a group held after a failed attempt. */
export const LONGEST_HOLD_MS = 3_600_000
/** What another machine noted may be ahead of our clock by as much. */
const CLOCK_SLACK_MS = 5_000
/** Of those that still fire, a message that tells something new repeats so many. */
const MOST_OTHERS = 100
const PREFIX = 'told/'

export class Outbox {
  readonly receiver: string
  readonly #grouping: Grouping
  /** How late somebody is still told of what began and ended unheard. */
  readonly #lateMs: number
  readonly #groups = new Map<string, Group>()
  readonly #told = new Map<string, Told>()
  /** Keys of groups that are due, the first to be due first; some may be no more. */
  readonly #due = new Set<string>()
  /** No other group is due before that: they are not all looked at each time. */
  #lookAt = Number.NEGATIVE_INFINITY
  #lookedAt = Number.NEGATIVE_INFINITY
  #prunedAt = Number.NEGATIVE_INFINITY

  /** Epoch milliseconds: what was over by then is none of the business of a receiver that was never told anything. */
  readonly #beganAt: number
  #isNew = true

  /** @param now epoch milliseconds */
  constructor(receiver: string, grouping: Grouping, lateMs: number, now: number) {
    this.#beganAt = now
    this.receiver = receiver
    this.#grouping = grouping
    this.#lateMs = lateMs
  }

  /** Takes in what an earlier process noted; false where the record is of something else. */
  recall({ key, value }: Pick<MemoryRecord, 'key' | 'value'>): boolean {
    const prefix = `${PREFIX}${this.receiver}/`
    if (!key.startsWith(prefix)) return false
    this.#isNew = false
    const { status, at } = Object(value) as Partial<Told>
    if ((status === 'firing' || status === 'resolved') && typeof at === 'number') {
      this.#told.set(key.slice(prefix.length), { status, at })
    } else this.#told.delete(key.slice(prefix.length))
    return true
  }

  /** Whether the receiver was told that the alert fires, and of nothing since. */
  knows(key: string): boolean {
    return this.#told.get(key)?.status === 'firing'
  }

  /** An alert began, changed, or is over. The same again changes nothing. */
  learn(alert: Alert, isMuted: IsMuted, now: number): void {
    const { key } = alert
    const status = statusOf(alert)
    const told = this.#told.get(key)
    const id = this.#groupKey(alert)
    const known = this.#groups.get(id)
    if (status === 'resolved' && told?.status === 'resolved') return
    if (told === undefined && known?.busy !== true && this.#isForNobody(alert, isMuted, now)) {
      if (known !== undefined) this.#remove(known, key)
      return
    }
    const group = known ?? this.#newGroup(id, alert, now)
    const member: Member = { alert, told: told?.status ?? null }
    group.members.set(key, member)
    if (told !== undefined) group.toldAt = Math.max(group.toldAt ?? told.at, told.at)
    if (told?.status === status) group.fresh.delete(key)
    else group.fresh.add(key)
    // Else every muted one would make all that are muted be looked at.
    if (this.#isHeld(member, isMuted, now)) group.dueAt = Math.min(group.dueAt, nextMutedLook(now))
    else this.#schedule(group)
    this.#expect(group, now)
  }

  /** The groups to be told now; each is ours to tell until `done` or `failed`. */
  due(isMuted: IsMuted, now: number, limit: number): Telling[] {
    this.#prune(now)
    if (now >= this.#lookAt || now < this.#lookedAt) this.#look(now)
    this.#lookedAt = now
    const tellings: Telling[] = []
    for (const key of this.#due) {
      if (tellings.length >= limit) break
      this.#due.delete(key)
      const group = this.#groups.get(key)
      if (group === undefined || group.busy) continue
      const isDue = Math.max(group.dueAt, group.heldUntil) <= now
      const telling = isDue ? this.#telling(group, isMuted, now) : null
      if (telling !== null) {
        group.busy = true
        tellings.push(telling)
      } else {
        if (isDue) group.dueAt = nextMutedLook(now)
        this.#expect(group, now)
      }
    }
    return tellings
  }

  /** Looks at all groups. */
  #look(now: number): void {
    this.#lookAt = Number.POSITIVE_INFINITY
    for (const group of this.#groups.values()) {
      this.#distrustFuture(group, now)
      this.#expect(group, now)
    }
  }

  #expect(group: Group, now: number): void {
    if (group.busy) return
    const at = Math.max(group.dueAt, group.heldUntil)
    if (at <= now) this.#due.add(group.key)
    else this.#lookAt = Math.min(this.#lookAt, at)
  }

  /** When `due` is to be asked next; infinity where nothing waits. */
  nextAt(): number {
    return this.#due.size > 0 ? Number.NEGATIVE_INFINITY : this.#lookAt
  }

  /** A silence was made or ended: looks again at once. */
  reconsider(now: number): void {
    for (const group of this.#groups.values()) {
      if (group.fresh.size > 0 && group.dueAt <= now + MUTED_LOOK_MS) group.dueAt = now
      this.#expect(group, now)
    }
  }

  /** The receiver was told, or was given up for this. Answers what is to be remembered. */
  done(telling: Telling): Omit<MemoryRecord, 'timestamp'>[] {
    const group = this.#groups.get(telling.group)
    if (group === undefined) return []
    const { needsRefresh } = this.#grouping
    group.busy = false
    group.heldUntil = 0
    // A refresh is due by the time of the last one, whatever was told in between.
    if (!needsRefresh || telling.reason !== 'change') group.toldAt = telling.at
    const noted: Omit<MemoryRecord, 'timestamp'>[] = []
    for (const sent of [...telling.firing, ...telling.resolved]) {
      const isFresh = telling.fresh.has(sent.key)
      // Those told again are noted again: a log that forgets what is old is not to forget what still fires.
      if (!isFresh && (needsRefresh || telling.reason !== 'repeat')) continue
      const status = statusOf(sent)
      const told = { status, at: telling.at }
      this.#told.set(sent.key, told)
      noted.push({ key: `${PREFIX}${this.receiver}/${sent.key}`, value: told })
      const member = group.members.get(sent.key)
      if (member === undefined) continue
      member.told = status
      // What ended meanwhile is to be told as well.
      if (statusOf(member.alert) !== status) continue
      group.fresh.delete(sent.key)
      if (status === 'resolved') group.members.delete(sent.key)
    }
    if (group.members.size === 0) this.#groups.delete(group.key)
    else {
      this.#schedule(group)
      if (telling.isPart) group.dueAt = telling.at
      this.#expect(group, telling.at)
    }
    return noted
  }

  /** It did not get through: it is tried again at an instant, with what is so by then. */
  failed(telling: Telling, againAt: number): void {
    const group = this.#groups.get(telling.group)
    if (group === undefined) return
    group.busy = false
    group.heldUntil = againAt
    group.dueAt = Math.min(group.dueAt, againAt)
    this.#expect(group, telling.at)
  }

  /** Alerts that the receiver ought to know of by now, and does not. */
  waiting(now: number): number {
    let count = 0
    for (const { busy, dueAt, heldUntil, fresh } of this.#groups.values()) {
      if (busy || dueAt <= now || heldUntil > now) count += fresh.size
    }
    return count
  }

  #telling(group: Group, isMuted: IsMuted, now: number): Telling | null {
    const { needsRefresh, most, repeatMs } = this.#grouping
    const fresh = new Set<string>()
    const firing: Alert[] = []
    const resolved: Alert[] = []
    let isPart = false
    for (const key of group.fresh) {
      const member = group.members.get(key) as Member
      if (this.#isHeld(member, isMuted, now)) continue
      isPart = fresh.size >= most
      if (isPart) break
      fresh.add(key)
      ;(member.alert.endsAt === null ? firing : resolved).push(member.alert)
    }
    const isRepeat = group.toldAt !== null && group.toldAt + repeatMs <= now
    if (fresh.size === 0 && !isRepeat) return null
    const others: Alert[] = []
    let leftOut = 0
    // Who keeps the state of alerts itself is told what changed; all of it now and then.
    if (!needsRefresh || isRepeat) {
      for (const { alert, told } of group.members.values()) {
        if (told !== 'firing' || alert.endsAt !== null) continue
        if (!needsRefresh && others.length >= MOST_OTHERS) leftOut++
        else if (needsRefresh || !isMuted(alert, now)) others.push(alert)
      }
    }
    if (fresh.size === 0 && others.length === 0) return null
    return {
      id: this.#tellingId(group, fresh),
      receiver: this.receiver,
      group: group.key,
      groupLabels: group.labels,
      reason: group.toldAt === null ? 'first' : isRepeat && (needsRefresh || fresh.size === 0) ? 'repeat' : 'change',
      firing: [...firing.sort(byAge), ...others.sort(byAge)],
      resolved: resolved.sort(byAge),
      fresh,
      leftOut,
      isPart,
      at: now,
    }
  }

  /** Whether an alert is not told now, because it is muted. */
  #isHeld({ alert, told }: Member, isMuted: IsMuted, now: number): boolean {
    const wakesNobody = this.#grouping.closesQuietly && alert.endsAt !== null && told !== null
    return !wakesNobody && isMuted(alert, now)
  }

  /** It is over, and nobody was to hear of it: muted from its beginning to its end, or long ago. */
  #isForNobody(alert: Alert, isMuted: IsMuted, now: number): boolean {
    const { startsAt, endsAt } = alert
    if (endsAt === null) return false
    if (this.#isNew && endsAt < this.#beganAt) return true
    return endsAt < now - this.#lateMs || (isMuted(alert, startsAt) && isMuted(alert, endsAt))
  }

  #tellingId({ key, members, toldAt }: Group, fresh: ReadonlySet<string>): string {
    const what = [...fresh].sort().map((one) => [one, statusOf((members.get(one) as Member).alert)])
    return createHash('sha256')
      .update(JSON.stringify([this.receiver, key, toldAt, what]))
      .digest('hex')
      .slice(0, 32)
  }

  #schedule(group: Group): void {
    const { waitMs, intervalMs, repeatMs } = this.#grouping
    if (group.fresh.size > 0) group.dueAt = group.toldAt === null ? group.began + waitMs : group.toldAt + intervalMs
    else if (group.toldAt !== null) group.dueAt = group.toldAt + repeatMs
  }

  /** A clock that was put back is not to keep alerts from being told. */
  #distrustFuture(group: Group, now: number): void {
    if (group.heldUntil > now + LONGEST_HOLD_MS) group.heldUntil = now
    if (Math.max(group.toldAt ?? 0, group.began) <= now + CLOCK_SLACK_MS) return
    group.began = Math.min(group.began, now)
    group.toldAt = group.toldAt === null ? null : Math.min(group.toldAt, now)
    this.#schedule(group)
  }

  #newGroup(key: string, alert: Alert, now: number): Group {
    const { by } = this.#grouping
    const names = by === 'key' || by.includes(ALL_LABELS) ? Object.keys(alert.labels) : by
    const labels = Object.fromEntries(
      [...names].sort().flatMap((name) => (alert.labels[name] === undefined ? [] : [[name, alert.labels[name]]])),
    )
    const group: Group = {
      key,
      labels,
      members: new Map(),
      fresh: new Set(),
      began: now,
      toldAt: null,
      dueAt: Number.POSITIVE_INFINITY,
      heldUntil: 0,
      busy: false,
    }
    this.#groups.set(key, group)
    return group
  }

  /** As Alertmanager writes it: `{alertname="x", queue="y"}`. */
  #groupKey({ key, labels }: Alert): string {
    const { by } = this.#grouping
    if (by === 'key') return key
    const names = by.includes(ALL_LABELS) ? Object.keys(labels) : by
    const parts = [...names].sort().flatMap((name) => {
      const value = labels[name]
      return value === undefined ? [] : [`${name}=${JSON.stringify(value)}`]
    })
    return `{${parts.join(', ')}}`
  }

  #remove(group: Group, key: string): void {
    group.members.delete(key)
    group.fresh.delete(key)
    if (group.members.size === 0) this.#groups.delete(group.key)
    else this.#schedule(group)
  }

  #prune(now: number): void {
    if (now < this.#prunedAt + KNOWN_MS / 48) return
    this.#prunedAt = now
    for (const [key, { status, at }] of this.#told) {
      if (status === 'resolved' && at < now - KNOWN_MS) this.#told.delete(key)
    }
  }
}

/** Whole seconds: all that are muted are looked at together. */
function nextMutedLook(now: number): number {
  return now - (now % MUTED_LOOK_MS) + MUTED_LOOK_MS
}

export function statusOf({ endsAt }: Alert): Status {
  return endsAt === null ? 'firing' : 'resolved'
}

function byAge(a: Alert, b: Alert): number {
  return a.startsAt - b.startsAt || (a.key < b.key ? -1 : 1)
}
