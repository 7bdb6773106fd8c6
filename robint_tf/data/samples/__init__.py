"""Small samples of the image sets; origin and licences are in this folder's README.md."""
