// What forms gain from script; all of them work without it.
import { addKeeping } from "./keep_codes.js";
import { addReveals } from "./reveal.js";
import { sendItself } from "./send_itself.js";
import { sendOnce } from "./send_once.js";
import { addStrength } from "./strength.js";

addKeeping(document);
addReveals(document);
addStrength(document);
sendOnce(document);
sendItself(document);
