"""Man pages, made of what the programs say of themselves: for developers; the one room here that imports click."""
