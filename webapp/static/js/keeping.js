// What a browser remembers of its user's choices; one that keeps nothing forgets them with the page.
export const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
export const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* lasts as long as the page */ } };
