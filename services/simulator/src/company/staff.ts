import { callsAt } from './demand.ts'
import { DAY, dayOf, HOUR, hourOf, type LocalTime } from './local-time.ts'
import { isOpen } from './opening-hours.ts'
import type { Roster } from './phone-line.ts'

/** Mean of a conversation on the phone. */
export const CONVERSATION_MS = 10 * 60_000
/** The early team goes home at 14 o'clock, the late one comes. */
const TEAMS_CHANGE = 14

export interface Staffing {
  /** New customers a day that the branch is staffed for at an instant. */
  readonly customersPerDay: (at: number) => number
  /** The share of the calls that come to these agents. */
  readonly share: number
  /** True where too few agents work at lunch. */
  readonly longLunch: boolean
  /** In front of the numbers of the agents. */
  readonly prefix: string
}

/**
 * The agents of one branch: as many as the hour's calls need, by the square-root rule (R + 1.6 √R agents for R calls at
 * a time: Halfin and Whitt, 1981). Two teams take the early and the late shift in turn.
 */
export function roster(time: LocalTime, staffing: Staffing): Roster {
  let [hour, agents] = [Number.NaN, [] as readonly string[]]
  return {
    onShift(at) {
      const local = time.of(at)
      if (hour !== local - (local % HOUR)) {
        hour = local - (local % HOUR)
        agents = agentsOf(hour, staffing.customersPerDay(at), staffing)
      }
      return agents
    },
    nextChange: (at) => at + HOUR - (time.of(at) % HOUR),
  }
}

function agentsOf(local: number, customersPerDay: number, staffing: Staffing): readonly string[] {
  if (!isOpen(local)) return []
  const calls = callsAt(local, customersPerDay) * staffing.share
  const atATime = (calls * CONVERSATION_MS) / HOUR
  const needed = Math.max(1, Math.ceil(atATime + 1.6 * Math.sqrt(atATime)))
  const lunch = hourOf(local) === 12 || hourOf(local) === 13
  const working = staffing.longLunch && lunch ? atLunch(atATime) : needed
  const late = hourOf(local) >= TEAMS_CHANGE ? 1 : 0
  const team = (Math.floor(dayOf(local) / DAY) + late) % 2
  return Array.from({ length: working }, (_, k) => `${staffing.prefix}${2 * k + team + 1}`)
}

/** Less than half of what the calls need; the smallest companies have nobody to spare. */
function atLunch(atATime: number): number {
  return atATime < 1 ? 0 : Math.max(1, Math.floor(atATime * 0.4))
}
