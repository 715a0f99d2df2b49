export { type GeneratedBusiness, generateBusiness, type PlantedWeakLink } from './business.ts'
