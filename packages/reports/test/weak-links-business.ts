import type { PlainChain } from './weak-links-naive.ts'

/** A business in memory, made at random from a seed, into which effects can be planted. */
export interface PlantedEffect {
  readonly touchpoint: string
  /** Numbers of segment values, all of which a chain has to have. */
  readonly segment: readonly number[]
  readonly from: number
  readonly to: number
  /** Of those who would have gone on, this share does not. */
  readonly stops: number
}

export interface BusinessOptions {
  readonly seed: number
  readonly chains: number
  readonly days: number
  readonly effects?: readonly PlantedEffect[]
  /** How much the chance of going on moves from day to day, as odds: 0 not at all. */
  readonly noise?: number
  /** Segments differ in how many of them go on: 0 not at all. */
  readonly standing?: number
  /** How often the lost look at one more page aside before they are gone; the others do at 0.4. */
  readonly lingers?: number
}

/** Toward the purchase, with the share of those who go on to the next one. */
export const STEPS = [
  ['ad', 0.75],
  ['home', 0.65],
  ['product', 0.6],
  ['cart', 0.7],
  ['delivery', 0.75],
  ['payment', 0.75],
] as const
const ASIDE = ['search', 'reviews', 'support', 'account']
/** Values of four keys: 1 to 5, 6 to 8, 9 and 10, 11 to 14. */
const KEYS: readonly (readonly number[])[] = [
  [1, 2, 3, 4, 5],
  [6, 7, 8],
  [9, 10],
  [11, 12, 13, 14],
]

/** Numbers from 0 up to 1, the same for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function businessOf(options: BusinessOptions): PlainChain[] {
  const { seed, chains, days, effects = [], noise = 0, standing = 0, lingers = 0.15 } = options
  const random = randomOf(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const ofDay = Array.from({ length: days }, () => noise * normal())
  const ofValue = Array.from({ length: 15 }, () => standing * normal())
  const pick = (values: readonly number[]) => values[Math.floor(values.length * random() ** 1.5)] ?? 0
  return Array.from({ length: chains }, () => {
    const day = Math.floor(random() * days)
    const segments = KEYS.map(pick)
    const tilt = (ofDay[day] ?? 0) + segments.reduce((sum, value) => sum + (ofValue[value] ?? 0), 0)
    const path: { touchpoint: string; day: number }[] = []
    const wander = (often: number) => {
      while (random() < often) path.push({ touchpoint: ASIDE[Math.floor(random() * ASIDE.length)] ?? '', day })
    }
    let lost = false
    for (const [touchpoint, goesOn] of STEPS) {
      path.push({ touchpoint, day })
      const odds = (goesOn / (1 - goesOn)) * Math.exp(tilt)
      lost = random() >= odds / (1 + odds)
      for (const effect of effects) {
        const isHit =
          effect.touchpoint === touchpoint &&
          day >= effect.from &&
          day < effect.to &&
          effect.segment.every((value) => segments.includes(value))
        if (isHit && random() < effect.stops) lost = true
      }
      wander(lost ? lingers : 0.4)
      if (lost) break
    }
    if (lost && random() < 0.3) path.push({ touchpoint: 'home', day })
    if (!lost) path.push({ touchpoint: 'purchase', day })
    return { lost, path, reached: path.map(({ touchpoint }) => touchpoint), segments }
  })
}
